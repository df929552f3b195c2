type Child = Node | string;

interface Properties {
  readonly class?: string;
  readonly id?: string;
  /** Attributes by their names, `aria-label` and the like. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/**
 * Makes an element. Children that are strings become text, never markup: names, messages and hints come from stores
 * and errors, and nobody vouches for them.
 */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  if (properties.class !== undefined) made.className = properties.class;
  if (properties.id !== undefined) made.id = properties.id;
  for (const [name, value] of Object.entries(properties.attributes ?? {})) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Touches the document only where something changed: the same text written again costs a layout. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttribute(node: Element, name: string, value: string): void {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

export function setShown(node: HTMLElement, isShown: boolean): void {
  if (node.hidden === isShown) node.hidden = !isShown;
}

export function button(label: string, onPress: () => void, properties: Properties = {}): HTMLButtonElement {
  const made = element("button", properties, label);
  made.type = "button";
  made.addEventListener("click", onPress);
  return made;
}

/** A titled part of the page; what it holds is appended to it. */
export function panel(id: string, title: string, ...children: readonly Child[]): HTMLElement {
  const heading = element("h2", { id: `${id}-title` }, title);
  return element(
    "section",
    { class: `panel ${id}`, attributes: { "aria-labelledby": `${id}-title` } },
    heading,
    ...children,
  );
}

/** Pairs of a name and a value, each value addressed by its name. */
export class FactList {
  readonly root: HTMLDListElement = element("dl", { class: "facts" });
  readonly #values: Map<string, HTMLElement> = new Map();

  set(name: string, value: string): void {
    let shown = this.#values.get(name);
    if (shown === undefined) {
      shown = element("dd");
      this.#values.set(name, shown);
      this.root.append(element("div", {}, element("dt", {}, name), shown));
    }
    setText(shown, value);
  }
}
