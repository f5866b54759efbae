/**
 * Events for operators: one line of JSON each on stderr, or readable text on a terminal.
 * @module
 */

/** As in logrus, which Flyte's `--logger.level` counts: 0 panic, 1 fatal, 2 error, 3 warning, 4 info, 5 debug, 6 trace. */
export type Level = "error" | "warning" | "info" | "debug";

/** What an event may carry. Never a secret. */
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Where events go. */
export interface Log {
  error(message: string, fields?: Fields): void;
  warning(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
}
