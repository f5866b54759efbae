#!/usr/bin/env bash
# Makes everything that a release has, from a clean checkout, and prints what to sign and to push. The same commit gives the same bytes.
#
#   deno task release [DIR]          DIR: default dist/release; it must not exist
#
# Executables and images (root's and nonroot) for x86-64 and arm64, licenses, a CycloneDX bill of materials, SHA256SUMS.
# COPILOT_SOURCE_URL names where the sources are, for the images' label.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
. scripts/lib.sh
DENO=$(deno_path)
export DENO

die() {
  echo "release: $*" >&2
  exit 1
}

output=$(realpath -m "${1:-dist/release}")
[ ! -e "$output" ] || die "$output exists already"
[ -z "$(git status --porcelain)" ] || die "the checkout has changes: a release is a commit"
[ -n "${COPILOT_SOURCE_URL:-}" ] || die "expected COPILOT_SOURCE_URL, the address of the sources"
version=$(sed -n 's/^ *"version": "\(.*\)",$/\1/p' deno.json)
grep -qE "^## $version \([0-9]{4}-[0-9]{2}-[0-9]{2}\)$" CHANGELOG.md ||
  die "CHANGELOG.md has no heading \"## $version (YYYY-MM-DD)\""

mkdir -p "$output"
images=()
for target in x86_64 aarch64; do
  architecture=$([ $target = x86_64 ] && echo amd64 || echo arm64)
  "$DENO" task -q compile --target "$target-unknown-linux-gnu" --output "$output/copilot-$version-linux-$architecture"
  for variant in root nonroot; do
    tag=$version
    [ $variant = root ] || tag+=-nonroot
    file=copilot-$tag-image-$architecture.tar
    line=$(scripts/image.sh --target "$target-unknown-linux-gnu" --variant $variant \
      --tag "copilot:$tag" --output "$output/$file" | tail -n 1)
    images+=("$file  $line")
  done
done
"$DENO" run -A scripts/bill_of_materials.ts --output "$output"
(cd "$output" && sha256sum -- * >SHA256SUMS)

echo
echo "copilot $version, commit $(git rev-parse HEAD), in $output:"
(cd "$output" && ls -l --block-size=MB | awk 'NR > 1 {print "  " $5 "  " $9}')
echo
echo "Sign this file:"
echo "  cosign sign-blob --bundle SHA256SUMS.bundle SHA256SUMS        # sha256 $(sha256sum <"$output/SHA256SUMS" | cut -d' ' -f1)"
echo "Push these images (skopeo copy oci-archive:FILE docker://REGISTRY/copilot:TAG-ARCHITECTURE), join the architectures of each tag"
echo "to one index, and sign each digest (cosign sign REGISTRY/copilot@DIGEST):"
printf '  %s\n' "${images[@]}"
