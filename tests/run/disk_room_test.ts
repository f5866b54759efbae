import assert from "assert";
import { CopilotError } from "../../src/errors.ts";
import { DiskRoom } from "../../src/run/disk_room.ts";
import { codeIs } from "../support/errors.ts";
import { MIB } from "../support/flows.ts";

Deno.test("disk room: what does not fit beside the others is refused, with what is needed and free", () => {
  const room = new DiskRoom("/in", 10 * MIB);
  const taken = room.take(6 * MIB, 0, "s3://b/a");
  assert.throws(
    () => room.take(5 * MIB, 0, "s3://b/b"),
    codeIs(
      "disk-full",
      '"s3://b/b"',
      "5242880 bytes (5.0 MiB)",
      "10.0 MiB that were free",
      '"/in"',
      "4.0 MiB",
    ),
  );
  room.take(4 * MIB, 0, "s3://b/c");
  room.giveBack(taken);
  room.take(6 * MIB, 0, "s3://b/b");
});

Deno.test("disk room: a file needs only what it has more than the one that it replaces", () => {
  const room = new DiskRoom("/in", MIB);
  for (let i = 0; i < 10; i++) room.take(5 * MIB, 5 * MIB, "s3://b/a");
  room.take(0, 5 * MIB, "s3://b/a");
  assert.throws(() => room.take(5 * MIB, 3 * MIB, "s3://b/b"), codeIs("disk-full"));
});

Deno.test("disk room: without figures of the file system nothing is refused", () => {
  for (const free of [0, Infinity]) new DiskRoom("/in", free).take(Number.MAX_SAFE_INTEGER, 0, "s3://b/a");
});

Deno.test("disk room: a disk that is full all the same is told with what was needed, other errors as they are", () => {
  const room = new DiskRoom("/in", 10 * MIB);
  const full = new CopilotError("disk-full", { action: "write", object: "/in/a", detail: "No space left" });
  assert(codeIs("disk-full", 'Cannot write "/in/a": No space left; it needs 7 bytes')(room.explain(full, 7)));
  assert.throws(
    () => room.take(11 * MIB, 0, "s3://b/b"),
    (refusal) => room.explain(refusal, 11 * MIB) === refusal,
  );
  const server = new CopilotError("disk-full", {
    action: "read",
    object: "http://h/a",
    detail: "full",
    status: 507,
  });
  assert.equal(room.explain(server, 7), server);
  const other = new CopilotError("io", "odd");
  assert.equal(room.explain(other, 7), other);
});
