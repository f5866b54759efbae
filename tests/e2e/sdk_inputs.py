"""Judges `copilot download` on inputs that Flyte's own SDKs made.

  sdk_inputs.py --bin PATH --endpoint URL --folder tests/sdk-inputs --sdk flytekit|flyte

Puts the folder's objects into bucket sdk-inputs, downloads its inputs.pb into a fresh directory, and compares for each
variable the files, the value in inputs.json, the literal in inputs.pb, and the Python value that the SDK makes of that
literal without any access to the store. One line each, `ok VARIABLE ASPECT` or `FAIL VARIABLE ASPECT: why`.
"""
import argparse
import asyncio
import base64
import dataclasses
import enum
import hashlib
import json
import os
import pathlib
import sys
import tempfile

import storage

BUCKET = "sdk-inputs"


def digest(data):
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


# ---------------------------------------------------------------- files and inputs.json against expect.json
def check_disk(path, want):
    """Raises AssertionError where what is on disk is not what a user expects."""
    kind = want["kind"]
    if kind in ("list", "map"):
        items = want["items"]
        entries = {str(i): v for i, v in enumerate(items)} if kind == "list" else items
        assert sorted(os.listdir(path)) == sorted(entries), f"entries {sorted(os.listdir(path))}"
        for name, item in entries.items():
            check_disk(path / name, item)
    elif kind == "directory":
        found = files_below(path)
        assert path.is_dir() and found == want["files"], f"found {found}, expected {want['files']}"
    elif kind == "struct":
        found = json.loads(path.read_text(encoding="utf-8"))
        assert found == want["value"], f"found {found!r}"
    elif kind == "text":
        found = path.read_bytes().decode("utf-8")
        assert found == want["text"], f"found {found!r}, expected {want['text']!r}"
    else:
        found = digest(path.read_bytes())
        assert found == {"size": want["size"], "sha256": want["sha256"]}, f"found {found}"


def json_value(path, want):
    """The value in inputs.json of what is at `path`."""
    kind = want["kind"]
    if kind == "list":
        return [json_value(path / str(i), item) for i, item in enumerate(want["items"])]
    if kind == "map":
        return {name: json_value(path / name, item) for name, item in want["items"].items()}
    if kind in ("file", "directory"):
        return str(path)
    return want[{"text": "json", "binary": "base64", "struct": "value"}[kind]]


def check_json(found, path, want):
    expected = json_value(path, want)
    assert type(found) is type(expected) or isinstance(found, (int, float)), f"found {found!r}, expected {expected!r}"
    assert found == expected, f"found {found!r}, expected {expected!r}"


# ---------------------------------------------------------------- inputs.pb against the original one
def localize(literal, path, fetch, literals_pb2):
    """The literal as it has to stand in the local inputs.pb: URIs are local paths, offloaded literals are resolved."""
    out = literals_pb2.Literal()
    out.CopyFrom(literal)
    if out.WhichOneof("value") == "offloaded_metadata":
        inner = literals_pb2.Literal()
        inner.ParseFromString(fetch(out.offloaded_metadata.uri))
        if out.hash and not inner.hash:
            inner.hash = out.hash
        for key, value in out.metadata.items():
            inner.metadata.setdefault(key, value)
        return localize(inner, path, fetch, literals_pb2)
    value = out.WhichOneof("value")
    if value == "collection":
        for i, item in enumerate(out.collection.literals):
            item.CopyFrom(localize(item, path / str(i), fetch, literals_pb2))
    elif value == "map":
        for key in list(out.map.literals):
            out.map.literals[key].CopyFrom(localize(out.map.literals[key], path / key, fetch, literals_pb2))
    elif value == "scalar":
        kind = out.scalar.WhichOneof("value")
        if kind in ("blob", "structured_dataset", "schema"):
            getattr(out.scalar, kind).uri = str(path)
        elif kind == "union":
            out.scalar.union.value.CopyFrom(localize(out.scalar.union.value, path, fetch, literals_pb2))
    return out


# ---------------------------------------------------------------- Python values
def comparable(value):
    """A Python value as something `==` judges: files by their bytes, frames by their rows, objects by their fields."""
    names = [base.__name__ for base in type(value).__mro__]
    if isinstance(value, (list, tuple)):
        return [comparable(item) for item in value]
    if isinstance(value, dict):
        return {key: comparable(item) for key, item in value.items()}
    if isinstance(value, enum.Enum):
        return value.value
    if "StructuredDataset" in names:
        import pandas

        return comparable(value.open(pandas.DataFrame).all())
    if "DataFrame" in names:
        return [list(map(str, value.dtypes)), list(value.columns), value.to_json(orient="split", date_format="iso")]
    if "FlyteFile" in names:
        return digest(pathlib.Path(value.download()).read_bytes())
    if "FlyteDirectory" in names:
        return tree(value)
    if dataclasses.is_dataclass(value):
        return dataclasses.asdict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump()
    return comparable(vars(value)) if hasattr(value, "__dict__") else value


def tree(directory):
    from flytekit.exceptions.user import FlyteDataNotFoundException

    try:
        root = pathlib.Path(directory.download())
    except FlyteDataNotFoundException:
        return {}  # an empty directory is a prefix without objects, which flytekit cannot fetch from the store
    return files_below(root)


def files_below(root):
    return {str(p.relative_to(root)): digest(p.read_bytes()) for p in root.rglob("*") if p.is_file()}


class Flytekit:
    """flytekit 1: literals become values through its own model classes."""

    def __init__(self, endpoint):
        from flyteidl.core import interface_pb2, literals_pb2

        self.literals_pb2, self.interface_pb2, self.endpoint = literals_pb2, interface_pb2, endpoint

    def parse(self, data):
        message = self.literals_pb2.LiteralMap()
        message.ParseFromString(data)
        return dict(message.literals), message

    def rest(self, message):
        """What is in the message besides the literals."""
        copy = self.literals_pb2.LiteralMap()
        copy.CopyFrom(message)
        copy.literals.clear()
        return copy.SerializeToString()

    def value(self, literal, variable, remote):
        from flytekit.core.type_engine import TypeEngine
        from flytekit.models.literals import Literal
        from flytekit.models.types import LiteralType

        with storage.flytekit_access(self.endpoint if remote else storage.NOWHERE) as context:
            expected = TypeEngine.guess_python_type(LiteralType.from_flyte_idl(variable.type))
            model = Literal.from_flyte_idl(literal)
            return comparable(TypeEngine.to_python_value(context, model, expected))


class Flyte:
    """flyte 2: literals are the protobuf messages themselves."""

    def __init__(self, endpoint):
        from flyteidl2.core import interface_pb2, literals_pb2
        from flyteidl2.task import common_pb2

        self.literals_pb2, self.interface_pb2, self.common_pb2 = literals_pb2, interface_pb2, common_pb2
        self.endpoint = endpoint

    def parse(self, data):
        message = self.common_pb2.Inputs()
        message.ParseFromString(data)
        return {item.name: item.value for item in message.literals}, message

    def rest(self, message):
        copy = self.common_pb2.Inputs()
        copy.CopyFrom(message)
        copy.ClearField("literals")
        return copy.SerializeToString()

    def value(self, literal, variable, remote):
        import flyte
        import pandas
        import flyte.io  # registers files, directories and frames
        from flyte.storage import S3
        from flyte.types import TypeEngine

        endpoint = self.endpoint if remote else storage.NOWHERE
        flyte.init(storage=S3(endpoint=endpoint, access_key_id=storage.KEY, secret_access_key=storage.SECRET))
        if variable.type.WhichOneof("type") == "structured_dataset_type":
            expected = pandas.DataFrame  # the SDK guesses no Python type for datasets
        else:
            expected = TypeEngine.guess_python_type(variable.type)
        return asyncio.run(self.load(TypeEngine, literal, expected))

    async def load(self, engine, literal, expected):
        return await resolved(await engine.to_python_value(literal, expected))


async def resolved(value):
    """`comparable`, where the SDK's files, directories and frames are read by coroutines."""
    if isinstance(value, list):
        return [await resolved(item) for item in value]
    if isinstance(value, dict):
        return {key: await resolved(item) for key, item in value.items()}
    name = type(value).__name__
    if name in ("File", "Dir"):
        path = pathlib.Path(await value.download())
        if name == "File":
            return digest(path.read_bytes())
        return files_below(path)
    if name == "DataFrame" and hasattr(value, "open"):
        import pandas

        return comparable(await value.open(pandas.DataFrame).all())
    return comparable(value)


# ---------------------------------------------------------------- the run
def attempt(variable, aspect, check):
    try:
        check()
    except Exception as problem:  # one variable's failure must not hide another's
        why = f"{type(problem).__name__}: {problem}".replace("\n", " ")
        print(f"FAIL {variable} {aspect}: {why[:400]}", flush=True)
        return False
    print(f"ok {variable} {aspect}", flush=True)
    return True


def main():
    parser = argparse.ArgumentParser()
    for option in ("--bin", "--endpoint", "--folder"):
        parser.add_argument(option, required=True)
    parser.add_argument("--sdk", choices=["flytekit", "flyte"], required=True)
    args = parser.parse_args()
    folder = pathlib.Path(args.folder)
    expect = json.loads((folder / "expect.json").read_text(encoding="utf-8"))
    original = (folder / "inputs.pb").read_bytes()
    interface = (folder / "interface.b64").read_text().strip()
    client = storage.client(args.endpoint)
    storage.ensure_bucket(client, BUCKET)
    for entry in json.loads((folder / "objects.json").read_text(encoding="utf-8")):
        body = (folder / "objects" / entry["key"]).read_bytes()
        client.put_object(Bucket=BUCKET, Key=entry["key"], Body=body)
    client.put_object(Bucket=BUCKET, Key="in/inputs.pb", Body=original)

    local = pathlib.Path(tempfile.mkdtemp(prefix="sdk-inputs-"))
    places = ["--from-remote", f"s3://{BUCKET}/in/inputs.pb", "--to-output-prefix", f"s3://{BUCKET}/out/"]
    storage.run(
        args.bin, args.endpoint, BUCKET,
        ["download", *places, "--to-local-dir", str(local), "--input-interface", interface],
    )
    sdk = Flytekit(args.endpoint) if args.sdk == "flytekit" else Flyte(args.endpoint)
    variables = sdk.interface_pb2.VariableMap()
    variables.ParseFromString(base64.b64decode(interface))
    variables = storage.variables(variables)
    before, whole_before = sdk.parse(original)

    def fetch(uri):
        return client.get_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"))["Body"].read()

    try:
        after, whole_after = sdk.parse((local / "inputs.pb").read_bytes())
        values = json.loads((local / "inputs.json").read_bytes())
    except FileNotFoundError as missing:
        print(f"FAIL run documents: {missing}; error.pb: {storage.error(client, BUCKET, 'out/error.pb')}")
        return 1
    ok = attempt("documents", "names", lambda: same_names(expect, after, values, local))
    ok &= attempt("documents", "unknown-fields", lambda: equal(sdk.rest(whole_after), sdk.rest(whole_before)))
    for name, want in expect.items():
        path = local / name
        literal = localize(before[name], path, fetch, sdk.literals_pb2)
        ok &= attempt(name, "disk", lambda: check_disk(path, want["disk"]))
        ok &= attempt(name, "json", lambda: check_json(values[name], path, want["disk"]))
        ok &= attempt(name, "literal", lambda: equal(storage.wire(after[name]), storage.wire(literal)))
        ok &= attempt(
            name, "value",
            lambda: equal(sdk.value(after[name], variables[name], False), sdk.value(before[name], variables[name], True)),
        )
    return 0 if ok else 1


def same_names(expect, after, values, local):
    documents = {"inputs.pb", "inputs.json"}
    equal(sorted(after), sorted(expect))
    equal(sorted(values), sorted(expect))
    equal(sorted(set(os.listdir(local)) - documents), sorted(expect))


def equal(found, expected):
    assert found == expected, f"found {found!r}, expected {expected!r}"


if __name__ == "__main__":
    sys.exit(main())
