#!/usr/bin/env python3
"""Keeps tests/data/flyteidl2_descriptors.json, the published form of the messages in proto/.

  check_proto.py --write    takes the descriptors from the installed Python package flyteidl2
  check_proto.py --check    fails if the file differs from the installed package

The file has every message and enum of the modules that proto/ names, fields that copilot leaves out included, so
that tests/flyte/codec/schema_test.ts can compare both without Python.
"""
import argparse
import importlib
import importlib.metadata
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROTOS = ROOT / "proto"
DATA = ROOT / "tests" / "data" / "flyteidl2_descriptors.json"
# google.protobuf.FieldDescriptor.TYPE_*
TYPES = {1: "double", 3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "string", 11: "message", 12: "bytes", 13: "uint32", 14: "enum"}


def field(descriptor):
    referred = descriptor.message_type or descriptor.enum_type
    return {
        "name": descriptor.name,
        "number": descriptor.number,
        "type": referred.full_name if referred else TYPES[descriptor.type],
        "repeated": bool(descriptor.is_repeated),
        "oneof": descriptor.containing_oneof.name if descriptor.containing_oneof else None,
    }


def collect(message, out):
    out["messages"][message.full_name] = sorted(map(field, message.fields), key=lambda f: f["number"])
    for enum in message.enum_types:
        out["enums"][enum.full_name] = {v.name: v.number for v in enum.values}
    for nested in message.nested_types:
        collect(nested, out)


def published():
    """Descriptors of the top-level messages and enums that proto/ declares."""
    out = {"package": "flyteidl2", "version": importlib.metadata.version("flyteidl2"), "messages": {}, "enums": {}}
    for path in sorted(PROTOS.rglob("*.proto")):
        module = importlib.import_module(".".join(path.relative_to(PROTOS).with_suffix("").parts) + "_pb2")
        for kind, name in re.findall(r"^(message|enum) (\w+)", path.read_text(), re.M):
            if kind == "message":
                collect(module.DESCRIPTOR.message_types_by_name[name], out)
            else:
                enum = module.DESCRIPTOR.enum_types_by_name[name]
                out["enums"][enum.full_name] = {v.name: v.number for v in enum.values}
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true")
    mode.add_argument("--check", action="store_true")
    args = parser.parse_args()
    text = json.dumps(published(), indent=1, sort_keys=True) + "\n"
    if args.write:
        DATA.write_text(text)
        return 0
    if DATA.read_text() != text:
        print(f"{DATA.relative_to(ROOT)} differs from the installed flyteidl2: run {sys.argv[0]} --write, then the tests", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
