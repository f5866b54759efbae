import assert from "assert";
import { codeIs } from "../support/errors.ts";
import type { ChecksumName, ObjectInfo } from "../../src/storage/store.ts";
import { EtagTrust, type Received, Verification } from "../../src/storage/verification.ts";

const MD5 = { right: "11".repeat(16), other: "22".repeat(16) };
const CRC = { right: "11111111", other: "22222222" };

/** A judge, what it warned of, and bytes as they come. */
function judge(trust = new EtagTrust()) {
  const warnings: string[] = [];
  const warn = (message: string) => void warnings.push(message);
  const verification = new Verification({
    uri: "s3://b/k",
    trust,
    skipMd5FromBytes: Infinity,
    skipped: assert.fail,
    warn,
  });
  const check = (info: Partial<ObjectInfo>, hex: string, md5 = MD5.right) => {
    const received: Received = {
      info: { key: "k", size: 1, ...info },
      hex,
      digest: (name: ChecksumName) => {
        assert.equal(name, "md5");
        return Promise.resolve(md5);
      },
    };
    return verification.check(received);
  };
  return { check, warnings, verification };
}

Deno.test("verification: what is compared: a declared checksum, else the ETag, else nothing", () => {
  const { verification } = judge();
  const checksum = { name: "crc32" as const, hex: CRC.right };
  const info = { key: "k", size: 1 };
  assert.deepEqual(verification.wanted({ ...info, checksum, etagMd5: MD5.right }), checksum);
  assert.deepEqual(verification.wanted({ ...info, etagMd5: MD5.right }), { name: "md5", hex: MD5.right });
  assert.equal(verification.wanted(info), undefined);
});

Deno.test("verification: an ETag that is no MD5 is overruled by bytes that come twice the same", async () => {
  const { check, warnings } = judge();
  await assert.rejects(check({ etagMd5: MD5.right }, MD5.other), codeIs("integrity", "s3://b/k", "md5"));
  await check({ etagMd5: MD5.right }, MD5.other);
  assert.match(warnings.join(), /^"s3:\/\/b\/k" came twice the same, so its ETag is taken for no MD5/);
});

Deno.test("verification: other bytes each time are damage, and the right ones end it", async () => {
  const { check, warnings } = judge();
  for (const hex of ["aa".repeat(16), "bb".repeat(16)]) {
    await assert.rejects(check({ etagMd5: MD5.right }, hex), codeIs("integrity"));
  }
  await check({ etagMd5: MD5.right }, MD5.right);
  assert.deepEqual(warnings, []);
});

Deno.test("verification: a declared checksum is overruled only by an ETag that is the MD5", async (t) => {
  const checksum = { name: "crc32" as const, hex: CRC.right };
  const cases: [string, Partial<ObjectInfo>, string, boolean][] = [
    ["the ETag is right", { checksum, etagMd5: MD5.right }, MD5.right, true],
    ["the ETag contradicts too", { checksum, etagMd5: MD5.right }, MD5.other, false],
    ["there is no ETag to ask", { checksum }, MD5.right, false],
  ];
  for (const [name, info, md5, accepted] of cases) {
    await t.step(name, async () => {
      const { check, warnings } = judge();
      await assert.rejects(check(info, CRC.other, md5), codeIs("integrity", "crc32"));
      const second = check(info, CRC.other, md5);
      if (accepted) await second;
      else await assert.rejects(second, codeIs("integrity", "crc32"));
      assert.equal(warnings.length, accepted ? 1 : 0);
    });
  }
});

Deno.test("verification: a store whose ETags were never an MD5 is not asked for one again", async (t) => {
  const wrong = async (trust: EtagTrust) => {
    const { check, warnings } = judge(trust);
    await assert.rejects(check({ etagMd5: MD5.right }, MD5.other), codeIs("integrity"));
    await check({ etagMd5: MD5.right }, MD5.other);
    return warnings.join();
  };
  const info = { key: "k", size: 1, etagMd5: MD5.right };
  await t.step("after three", async () => {
    const trust = new EtagTrust();
    await wrong(trust);
    await wrong(trust);
    assert.ok(judge(trust).verification.wanted(info) !== undefined);
    assert.match(await wrong(trust), /not compared any more/);
    assert.equal(judge(trust).verification.wanted(info), undefined);
  });
  await t.step("but always where one was right", async () => {
    const trust = new EtagTrust();
    await judge(trust).check(info, MD5.right);
    for (let count = 0; count < 5; count++) await wrong(trust);
    assert.ok(judge(trust).verification.wanted(info) !== undefined);
  });
});

Deno.test("verification: an MD5 from the given size on is skipped, declared or guessed, and told; a CRC never is", () => {
  let skips = 0;
  const verification = new Verification({
    uri: "s3://b/k",
    trust: new EtagTrust(),
    skipMd5FromBytes: 100,
    skipped: () => void skips++,
    warn: assert.fail,
  });
  const hex = "0".repeat(32);
  const md5 = { name: "md5" as const, hex };
  const crc = { name: "crc32" as const, hex: "00000000" };
  assert.deepEqual(verification.wanted({ key: "k", size: 99, etagMd5: hex }), md5);
  assert.equal(verification.wanted({ key: "k", size: 100, etagMd5: hex }), undefined);
  assert.equal(verification.wanted({ key: "k", size: 100, checksum: md5 }), undefined);
  assert.deepEqual(verification.wanted({ key: "k", size: 100, checksum: crc, etagMd5: hex }), crc);
  assert.equal(verification.wanted({ key: "k", size: 100 }), undefined);
  assert.equal(skips, 2);
});
