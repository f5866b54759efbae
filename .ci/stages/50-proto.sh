# Our .proto files against the descriptors of the published flyteidl2 package.
. .ci/lib.sh
check "proto files match flyteidl2" "$(.ci/venv)" scripts/check_proto.py --check
done_counting
