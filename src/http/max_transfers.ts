/**
 * How many transfers a run may have under way. Connections are kept for as many, so that none is opened for a single request.
 * @module
 */

/** With 20 ms each way so many small objects at once are nearly as fast as the 256 of other tools. */
export const MAX_TRANSFERS = 112;

/** The same over TLS, where each connection takes 150 KiB more: 64 pass 110 MiB. */
export const MAX_SECURE_TRANSFERS = 48;
