/** For who tells how many bytes of a body have moved so far: hands on how many more they are each time. */
export function movedSoFar(onMoved: ((bytes: number) => void) | undefined): (bytes: number) => void {
  let before = 0;
  return (bytes) => {
    if (bytes > before) onMoved?.(bytes - before);
    before = bytes;
  };
}
