"""Judges `copilot sidecar`: flytekit reads back what it uploaded, to equal values.

  read_back.py --bin PATH --endpoint URL

Lays out a directory of outputs, one of each type that flytekit can declare, runs the sidecar on it with the interface that
flytekit makes of the types, and loads outputs.pb with flytekit's TypeEngine. One line each, `ok VARIABLE` or
`FAIL VARIABLE: why`.
"""
import argparse
import base64
import dataclasses
import datetime
import enum
import json
import pathlib
import sys
import tempfile
import typing
import uuid

import pandas
from flyteidl.core import literals_pb2
from flytekit.core.type_engine import TypeEngine
from flytekit.models.interface import TypedInterface, Variable
from flytekit.models.literals import Literal
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.structured.structured_dataset import StructuredDataset

import storage
from sdk_inputs import comparable, digest, equal

BUCKET = "read-back"
FRAME = pandas.DataFrame({"id": [1, 2, 3], "name": ["a", "b", "日本"], "score": [0.5, -1.0, 1e300]})


class Colour(enum.Enum):
    RED = "red"
    BLUE = "light blue"


@dataclasses.dataclass
class Point:
    x: int
    y: float
    tags: typing.List[str]


@dataclasses.dataclass
class Output:
    """Where: what stands in the directory, path to bytes; a path that ends in a slash is an empty directory."""

    type: typing.Any
    where: dict
    value: typing.Any


def text(name, content):
    return {name: content.encode()}


def parquet():
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        FRAME.to_parquet(file.name)
        return pathlib.Path(file.name).read_bytes()


def files(names):
    return {name: digest(body) for name, body in names.items()}


NESTED = {"a.txt": b"a", "sub/deep/b.bin": bytes(range(256)), "sub/100% #1?.csv": b"x,y\n", ".hidden": b"h", "zero": b""}
UTC = datetime.timezone.utc

OUTPUTS = {
    "integer": Output(int, text("integer", "9007199254740993\n"), 9007199254740993),
    "integer_min": Output(int, text("integer_min", str(-(2**63))), -(2**63)),
    "floating": Output(float, text("floating.txt", " 1e-7 "), 1e-7),
    "boolean": Output(bool, text("boolean", "True"), True),
    "string": Output(str, text("string", "grüße <&> 日本 🚀"), "grüße <&> 日本 🚀"),
    "string_empty": Output(str, text("string_empty", ""), ""),
    "moment": Output(
        datetime.datetime, text("moment", "2024-02-29T12:30:45.5+02:00"),
        datetime.datetime(2024, 2, 29, 10, 30, 45, 500000, tzinfo=UTC),
    ),
    "span": Output(datetime.timedelta, text("span", "26h0m1.5s"), datetime.timedelta(days=1, seconds=7201.5)),
    "struct": Output(dict, text("struct.json", '{"n": 1.5, "l": [true, null, "x"], "o": {"k": "v"}}'),
                     {"n": 1.5, "l": [True, None, "x"], "o": {"k": "v"}}),
    "point": Output(Point, text("point.json", json.dumps({"x": 3, "y": 0.5, "tags": ["a"]})), {"x": 3, "y": 0.5, "tags": ["a"]}),
    "colour": Output(Colour, text("colour", "light blue\n"), "light blue"),
    "file": Output(FlyteFile, {"file": b"\x00\xff\r\n" * 1000}, digest(b"\x00\xff\r\n" * 1000)),
    "file_empty": Output(FlyteFile, {"file_empty": b""}, digest(b"")),
    "table": Output(FlyteFile["csv"], {"table.csv": b"a,b\n1,2\n"}, digest(b"a,b\n1,2\n")),
    "directory": Output(FlyteDirectory, {f"directory/{name}": body for name, body in NESTED.items()}, files(NESTED)),
    "directory_empty": Output(FlyteDirectory, {"directory_empty/": b""}, {}),
    "frame": Output(StructuredDataset, {"frame/00000": parquet()}, comparable(FRAME)),
    "integers": Output(typing.List[int], {f"integers/{i}": str(i * i).encode() for i in range(12)}, [i * i for i in range(12)]),
    "integers_none": Output(typing.List[int], {"integers_none/": b""}, []),
    "scores": Output(typing.Dict[str, float], {"scores/pi": b"3.14159", "scores/two words": b"2"}, {"pi": 3.14159, "two words": 2.0}),
    "files": Output(typing.List[FlyteFile], {"files/0": b"first", "files/1.txt": b"second"}, [digest(b"first"), digest(b"second")]),
    "named_files": Output(typing.Dict[str, FlyteFile], {"named_files/100% #1.csv": b"x"}, {"100% #1.csv": digest(b"x")}),
    "directories": Output(typing.List[FlyteDirectory], {"directories/0/a": b"a", "directories/1/b/c": b"c"},
                          [files({"a": b"a"}), files({"b/c": b"c"})]),
    "nested": Output(typing.Dict[str, typing.List[str]], {"nested/k/0": b"x", "nested/k/1": b"", "nested/empty/": b""},
                     {"k": ["x", ""], "empty": []}),
    "optional_there": Output(typing.Optional[int], text("optional_there", "5"), 5),
    "optional_missing": Output(typing.Optional[int], {}, None),
    "optional_file": Output(typing.Optional[FlyteFile], {"optional_file": b"here"}, digest(b"here")),
    "optional_list": Output(typing.List[typing.Optional[int]], {"optional_list/0": b"5", "optional_list/1": b"null"}, [5, None]),
    "either_number": Output(typing.Union[int, str], text("either_number", "9"), 9),
    "either_text": Output(typing.Union[int, str], text("either_text", "nine"), "nine"),
}


def lay_out(root):
    for output in OUTPUTS.values():
        for name, body in output.where.items():
            path = root / name
            if name.endswith("/"):
                path.mkdir(parents=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)


def interface():
    variables = {name: Variable(TypeEngine.to_literal_type(output.type), name) for name, output in OUTPUTS.items()}
    return base64.b64encode(TypedInterface({}, variables).to_flyte_idl().SerializeToString()).decode()


def main():
    parser = argparse.ArgumentParser()
    for option in ("--bin", "--endpoint"):
        parser.add_argument(option, required=True)
    args = parser.parse_args()
    client = storage.client(args.endpoint)
    storage.ensure_bucket(client, BUCKET)
    run = uuid.uuid4().hex
    root = pathlib.Path(tempfile.mkdtemp(prefix="read-back-"))
    lay_out(root)
    places = ["--to-raw-output", f"s3://{BUCKET}/{run}/raw/", "--to-output-prefix", f"s3://{BUCKET}/{run}/out/"]
    watchers = ["--start-watcher-type", "noop", "--exit-watcher-type", "noop", "--timeout", "1m"]
    storage.run(
        args.bin, args.endpoint, BUCKET,
        ["sidecar", *places, "--from-local-dir", str(root), *watchers, "--interface", interface()],
    )
    try:
        raw = client.get_object(Bucket=BUCKET, Key=f"{run}/out/outputs.pb")["Body"].read()
    except client.exceptions.NoSuchKey:
        print(f"FAIL run: no outputs.pb; error.pb: {storage.error(client, BUCKET, f'{run}/out/error.pb')}")
        return 1
    message = literals_pb2.LiteralMap()
    message.ParseFromString(raw)
    ok = True
    with storage.flytekit_access(args.endpoint) as context:
        for name, output in OUTPUTS.items():
            try:
                literal = Literal.from_flyte_idl(message.literals[name])
                equal(comparable(TypeEngine.to_python_value(context, literal, output.type)), output.value)
                print(f"ok {name}", flush=True)
            except Exception as problem:  # one output's failure must not hide another's
                why = f"{type(problem).__name__}: {problem}".replace("\n", " ")
                print(f"FAIL {name}: {why[:400]}", flush=True)
                ok = False
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
