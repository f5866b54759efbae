# The executable for both architectures, from a clean output directory.
. .ci/lib.sh
rm -rf dist
check "compile for this machine" deno task compile
check "the executable starts" dist/copilot version
check "compile for aarch64" deno task compile --target aarch64-unknown-linux-gnu --output dist/copilot-aarch64
check "it is an aarch64 ELF" bash -c 'LC_ALL=C readelf -h dist/copilot-aarch64 | grep -q "Machine:.*AArch64"'
done_counting
