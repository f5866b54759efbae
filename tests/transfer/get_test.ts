import { assertProgress } from "../support/progress.ts";
import assert from "assert";
import { cannot } from "../../src/errors.ts";
import { codeIs } from "../support/errors.ts";
import type { GetResult } from "../../src/storage/store.ts";
import { script, storeError } from "../support/fakes.ts";
import { randomBytes, systemWithNewFiles } from "../support/flows.ts";
import { getFile } from "../../src/transfer/get.ts";
import { Staging } from "../../src/transfer/staging.ts";
import { sys } from "../../src/system/deno.ts";
import { BUFFER, ChecksumStore, getSetup, verificationOf } from "../support/transfer.ts";

Deno.test("get: an object of another size than its listing said is an error, and nothing is left", async () => {
  for (const size of [0, 4, 6, 10_000]) {
    using setup = await getSetup({ k: randomBytes(5) });
    const staging = new Staging(sys, setup.dir.path);
    const options = { staging, path: setup.dir.at("k"), verification: verificationOf("k"), size };
    await assert.rejects(
      getFile(setup.session, setup.flaky, "k", options),
      codeIs("changed", "mem://b/k", `its listing says ${size} bytes, and it has 5`),
    );
    setup.assertClean();
  }
});

for (const size of [0, 1, BUFFER - 1, BUFFER, BUFFER + 1, 3 * BUFFER + 7]) {
  Deno.test(`get: an object of ${size} bytes arrives as it is, in one request`, async () => {
    const bytes = randomBytes(size);
    using setup = await getSetup({ k: bytes });
    await setup.get();
    assert.deepEqual(Deno.readFileSync(setup.dir.at("k")), bytes);
    assert.equal(setup.flaky.calls.length, 1);
    assertProgress(setup.session, { files: 1, bytes: size });
    setup.assertClean("k");
  });
}

for (const name of ["crc32", "crc32c", "crc64nvme", "sha1", "sha256", "md5"] as const) {
  Deno.test(`get: the store's ${name} is verified`, async () => {
    const bytes = randomBytes(BUFFER + 100);
    const wrong = (got: GetResult) => ({
      ...got,
      info: {
        ...got.info,
        checksum: { name, hex: got.info.checksum!.hex.replace(/^./, (c) => c === "0" ? "1" : "0") },
      },
    });
    using setup = await getSetup({ k: bytes }, {
      store: new ChecksumStore(name),
      faultOf: script({ get: [null, { reply: wrong }] }),
    });
    await setup.get();
    assert.deepEqual(Deno.readFileSync(setup.dir.at("k")), bytes);
    Deno.removeSync(setup.dir.at("k"));
    await assert.rejects(setup.get(), codeIs("integrity", "mem://b/k", name));
    setup.assertClean();
  });
}

Deno.test("get: a store without checksums is no failure", async () => {
  using setup = await getSetup({ k: randomBytes(10) }, { store: new ChecksumStore(null) });
  await setup.get();
  setup.assertClean("k");
});

Deno.test("get: a body that ends early is an error, and the old file stays", async () => {
  using setup = await getSetup({ k: randomBytes(1000) }, {
    faultOf: script({ get: [{ bodyBytes: 999, then: "end" }] }),
  });
  setup.dir.write("k", "old");
  await assert.rejects(setup.get(), codeIs("integrity", "mem://b/k", "999", "1000"));
  assert.equal(Deno.readTextFileSync(setup.dir.at("k")), "old");
  setup.assertClean("k");
});

Deno.test("get: a body that breaks is the store's error", async () => {
  using setup = await getSetup({ k: randomBytes(1000) }, {
    faultOf: script({ get: [{ bodyBytes: 500, then: storeError("network") }] }),
  });
  await assert.rejects(setup.get(), codeIs("network"));
  setup.assertClean();
});

Deno.test("get: a disk that is full is an error that names the file, and leaves nothing", async () => {
  const system = systemWithNewFiles((_, path) => ({
    write() {
      throw cannot("write", path, { "disk-full": "no space left on device" });
    },
  }));
  using setup = await getSetup({ k: randomBytes(1000) }, { system });
  await assert.rejects(setup.get(), codeIs("disk-full", setup.dir.path));
  setup.assertClean();
});

Deno.test("get: buffers are used again", async () => {
  using setup = await getSetup({ k: randomBytes(1000) });
  const taken = new Set<Uint8Array>();
  const take = setup.session.buffers.take.bind(setup.session.buffers);
  setup.session.buffers.take = () => {
    const buffer = take();
    taken.add(buffer);
    return buffer;
  };
  for (let i = 0; i < 10; i++) await setup.get();
  assert.equal(taken.size, 1);
});
