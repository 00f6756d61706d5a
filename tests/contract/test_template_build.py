"""`sam build` makes functions that start from the build output and fit into Lambda."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from layers.finish_build import SERVICES
from local.settings import ROOT
from local.template import parse
from tests.support.tables import read_template

pytestmark = pytest.mark.slow

RUNTIME = "python3.13"
UNZIPPED_LIMIT_BYTES = 250 * 1024 * 1024
SOURCES = ("functions", "layers", "catalog", "template.yaml")
# Packages of the runtime would hide missing packages of the layers, so only these are allowed.
IMPORT_HANDLER = """
import sys
from importlib.machinery import SourceFileLoader
sys.path[:0] = sys.argv[1:]
def compile_source(loader, data, path, **options):
    raise AssertionError(f"{path} is not compiled")
SourceFileLoader.source_to_code = compile_source
import handler
assert callable(handler.handler)
"""
CREATE_CLIENTS = """
import sys
sys.path[:0] = sys.argv[1:2]
import boto3
for service in sys.argv[2:]:
    client = boto3.client(service, "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    assert client.meta.endpoint_url.startswith("https://"), service
"""


@pytest.fixture(scope="module")
def interpreter() -> str:
    """The runtime's own Python, on the path or among pyenv's versions."""
    candidates = [shutil.which(RUNTIME)]
    pyenv = shutil.which("pyenv")
    if pyenv:
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=True)
        versions = Path(root.stdout.strip()) / "versions"
        candidates += map(str, versions.glob(f"*/bin/{RUNTIME}"))
    for candidate in filter(None, candidates):
        works = subprocess.run([candidate, "-c", "import sys"], capture_output=True, check=False)
        if works.returncode == 0:
            return candidate
    pytest.skip(f"There is no {RUNTIME} here, with which SAM would build.")


@pytest.fixture(scope="module")
def built(interpreter: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(source, folder / name)
    environment = {
        **os.environ,
        "PATH": f"{Path(interpreter).parent}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(folder / "sam"),
    }
    done = subprocess.run(
        [str(Path(sys.executable).with_name("sam")), "build"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    build = folder / ".aws-sam" / "build"
    subprocess.run([interpreter, str(folder / "layers/finish_build.py"), str(build)], check=True)
    return build


def size_bytes(folder: Path) -> int:
    """As packaged: what symbolic links point to counts."""
    return sum(
        (Path(root) / name).stat().st_size
        for root, _, names in os.walk(folder, followlinks=True)
        for name in names
    )


def layer_folders(built: Path, function: str) -> list[Path]:
    resources = parse(built / "template.yaml")["Resources"]
    return [
        (built / resources[layer["Ref"]]["Properties"]["ContentUri"]).resolve()
        for layer in resources[function]["Properties"]["Layers"]
    ]


def function_names() -> list[str]:
    return [
        name
        for name, resource in read_template()["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    ]


@pytest.mark.parametrize("function", function_names())
def test_a_function_starts_from_its_build_output_alone_and_compiles_nothing(
    function: str, built: Path, interpreter: str
) -> None:
    paths = [str(built / function)]
    paths += [str(folder / "python") for folder in layer_folders(built, function)]

    # -I: no environment, no user packages; -S: none of the interpreter's own either.
    done = subprocess.run(
        [interpreter, "-I", "-S", "-c", IMPORT_HANDLER, *paths],
        cwd=built,
        env={"AWS_DEFAULT_REGION": "us-east-1", "AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_the_layer_has_all_services_and_no_others(built: Path, interpreter: str) -> None:
    libraries = built / "DepsLayer" / "python"
    kept = {path.name for path in (libraries / "botocore/data").iterdir() if path.is_dir()}

    assert kept == set(SERVICES)
    subprocess.run(
        [interpreter, "-I", "-S", "-c", CREATE_CLIENTS, str(libraries), *SERVICES], check=True
    )


@pytest.mark.parametrize("function", function_names())
def test_a_function_with_its_layers_fits_into_lambda(function: str, built: Path) -> None:
    size = size_bytes(built / function) + sum(map(size_bytes, layer_folders(built, function)))

    print(f"\n{function}: {size / 1024 / 1024:.0f} MB of 250 unzipped")
    assert size < UNZIPPED_LIMIT_BYTES
