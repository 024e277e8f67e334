import { styleText } from "node:util";

export type Colour = Parameters<typeof styleText>[0];

/** `text` in a colour where stderr shows colours: on a terminal, and not with NO_COLOR. */
export const paint = (colour: Colour, text: string): string =>
  text === "" ? "" : styleText(colour, text, { stream: process.stderr });

/** The same for what goes to stdout. */
export const paintOut = (colour: Colour, text: string): string =>
  text === "" ? "" : styleText(colour, text, { stream: process.stdout });
