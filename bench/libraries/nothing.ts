/** The floor that every other program here stands on: the runtime, and a connection to nowhere. */
