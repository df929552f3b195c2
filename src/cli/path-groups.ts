/** Items whose paths differ in their numbers only: `population[3].actor` and `population[4].actor`. */
export interface PathGroup<Item> {
  /** The path of the only item, or with `*` where the numbers of several differ. */
  readonly path: string;
  readonly items: readonly [Item, ...Item[]];
}

/**
 * Puts items together that are alike, in the order of their first ones: a population has hundreds of equal tensors.
 *
 * @param kindOf - items of different kinds are never put together
 */
export function groupByPath<Item extends { readonly path: string }>(
  items: readonly Item[],
  kindOf: (item: Item) => string,
): PathGroup<Item>[] {
  const groups = new Map<string, [Item, ...Item[]]>();
  for (const item of items) {
    const key = `${kindOf(item)} ${item.path.replace(/\[\d+\]/g, "[*]")}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return [...groups.values()].map((group) => ({ path: commonPath(group), items: group }));
}

/** Each number stays that all of them have. */
function commonPath([first, ...others]: readonly [{ readonly path: string }, ...{ readonly path: string }[]]): string {
  let place = -1;
  const numbers = others.map(({ path }) => path.match(/\[\d+\]/g) ?? []);
  return first.path.replace(/\[\d+\]/g, (number) => {
    place += 1;
    return numbers.every((each) => each[place] === number) ? number : "[*]";
  });
}
