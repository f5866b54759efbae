"""What the Python judges share: an S3 client, the binary under test, flytekit's access to the store."""
import contextlib
import os
import subprocess
import tempfile

import boto3
from botocore.config import Config

KEY, SECRET, REGION = "testkey", "testsecret", "us-east-1"

# An endpoint where nothing listens: a value that loads with it needed no store.
NOWHERE = "http://127.0.0.1:9"


def client(endpoint):
    config = Config(s3={"addressing_style": "path"})
    keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": REGION}
    return boto3.client("s3", endpoint_url=endpoint, config=config, **keys)


def ensure_bucket(s3, bucket):
    if bucket not in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=bucket)


def run(binary, endpoint, bucket, command):
    """Runs the binary as Flyte's plugin does; returns its exit status and prints what it says."""
    settings = {
        "auth_type": "accesskey", "access_key_id": KEY, "secret_key": SECRET, "region": REGION,
        "disable_ssl": "true", "endpoint": endpoint,
    }
    flags = [
        "--storage.limits.maxDownloadMBs=0", "--logger.level=3", f"--storage.container={bucket}",
        "--storage.type=stow", "--storage.stow.kind=s3",
    ]
    for name, value in settings.items():
        flags += ["--storage.stow.config", f"{name}={value}"]
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run([binary, *flags, *command], env=env, capture_output=True, text=True, timeout=300)
    print(f"# exit {done.returncode}")
    for line in (done.stdout + done.stderr).splitlines():
        print(f"# {line}")
    return done.returncode


def error(s3, bucket, key):
    """The message of an error.pb, or why there is none."""
    from flyteidl2.core import execution_pb2

    try:
        document = execution_pb2.ErrorDocument()
        document.ParseFromString(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        return document.error.message
    except Exception as problem:
        return f"none ({problem})"


def variables(message):
    """Name to variable: a map in flyteidl, a list of entries in flyteidl2."""
    entries = message.variables
    return dict(entries) if hasattr(entries, "keys") else {entry.key: entry.value for entry in entries}


def wire(message):
    """Bytes that are equal when the messages are, unknown fields included."""
    return message.SerializeToString(deterministic=True)


@contextlib.contextmanager
def flytekit_access(endpoint):
    """A flytekit context whose store is at `endpoint`."""
    from flytekit.configuration import DataConfig, S3Config
    from flytekit.core.context_manager import FlyteContextManager
    from flytekit.core.data_persistence import FileAccessProvider

    s3 = S3Config(endpoint=endpoint, access_key_id=KEY, secret_access_key=SECRET, retries=0)
    access = FileAccessProvider(tempfile.mkdtemp(), "s3://sdk-inputs/scratch/", DataConfig(s3=s3))
    with FlyteContextManager.with_context(FlyteContextManager.current_context().with_file_access(access)) as context:
        yield context
