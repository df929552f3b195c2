/** What a reader can do to the time-line, in CSS pixels of its canvas. */
export interface TimeLineActions {
  /** Null: nothing is pointed at any more. */
  point(at: { readonly x: number; readonly y: number } | null): void;
  select(at: { readonly x: number; readonly y: number }): void;
  /** Positive towards later. */
  moveBy(pixels: number): void;
  /** In shares of the width. */
  moveByShare(share: number): void;
  /** @param x - what stays where it is; null for the middle */
  zoomBy(factor: number, x: number | null): void;
  selectNext(step: 1 | -1): void;
  follow(): void;
  showAll(): void;
  clear(): void;
}

/** Below this a press with a shaking hand is still a press. */
const DRAG_BEGINS_PX = 4;
const ZOOM_STEP = 1.5;

export const TIME_LINE_KEYS =
  "Arrow keys move, + and − zoom, Page Up and Page Down go from checkpoint to checkpoint, Home shows the whole run, End follows the newest.";

/** Pointers, wheel and keys. The wheel zooms with Ctrl only: without, it scrolls the page. */
export function listenToTimeLine(canvas: HTMLCanvasElement, actions: TimeLineActions): void {
  listenToPointer(canvas, actions);
  canvas.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      actions.zoomBy(event.deltaY > 0 ? ZOOM_STEP : 1 / ZOOM_STEP, event.offsetX);
    },
    { passive: false },
  );
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = KEYS[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act(actions);
  });
}

const KEYS: Readonly<Record<string, (actions: TimeLineActions) => void>> = {
  ArrowLeft: (actions) => actions.moveByShare(-0.1),
  ArrowRight: (actions) => actions.moveByShare(0.1),
  "+": (actions) => actions.zoomBy(1 / ZOOM_STEP, null),
  "=": (actions) => actions.zoomBy(1 / ZOOM_STEP, null),
  "-": (actions) => actions.zoomBy(ZOOM_STEP, null),
  PageUp: (actions) => actions.selectNext(-1),
  PageDown: (actions) => actions.selectNext(1),
  Home: (actions) => actions.showAll(),
  End: (actions) => actions.follow(),
  Escape: (actions) => actions.clear(),
};

function listenToPointer(canvas: HTMLCanvasElement, actions: TimeLineActions): void {
  let pressed: { readonly pointerId: number; lastX: number; movedPx: number } | null = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pressed = { pointerId: event.pointerId, lastX: event.offsetX, movedPx: 0 };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (pressed === null || pressed.pointerId !== event.pointerId) {
      actions.point({ x: event.offsetX, y: event.offsetY });
      return;
    }
    const byPx = event.offsetX - pressed.lastX;
    pressed.movedPx += Math.abs(byPx);
    pressed.lastX = event.offsetX;
    if (pressed.movedPx >= DRAG_BEGINS_PX) actions.moveBy(-byPx);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (pressed !== null && pressed.movedPx < DRAG_BEGINS_PX) actions.select({ x: event.offsetX, y: event.offsetY });
    pressed = null;
  });
  canvas.addEventListener("pointercancel", () => {
    pressed = null;
  });
  canvas.addEventListener("pointerleave", () => actions.point(null));
}
