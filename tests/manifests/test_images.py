"""examples/compose/Dockerfile: the image of the modules, built with stand-ins for the stages that compile."""

import json
import pathlib
import shutil
import subprocess
import tarfile

import pytest
from conftest import ROOT


@pytest.mark.skipif(shutil.which("buildah") is None, reason="no buildah here")
def test_the_image_of_the_modules_holds_them_and_nothing_else(tmp_path: pathlib.Path) -> None:
    built = {
        "sluice/target/wasm32-unknown-unknown/wasm/sluice_filter.wasm": b"wasm",
        "sluice/target/native/libsluice_native.so": b"native",
    }
    for name, content in built.items():
        file = tmp_path / "built" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def buildah(*words: object) -> None:
        storage = ("--root", tmp_path / "storage", "--runroot", tmp_path / "run", "--storage-driver", "vfs")
        done = subprocess.run(["buildah", *storage, *words], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr

    stages = [word for stage in ("build", "native") for word in ("--build-context", f"{stage}={tmp_path / 'built'}")]
    buildah("bud", "--isolation", "chroot", "-f", "examples/compose/Dockerfile", "--target", "modules", *stages, "-t", "modules", ".")
    buildah("push", "modules", f"oci:{tmp_path / 'image'}:latest")

    def blob(digest: str) -> pathlib.Path:
        return tmp_path / "image/blobs" / digest.replace(":", "/")

    index = json.loads((tmp_path / "image/index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    found = {}
    for layer in manifest["layers"]:
        with tarfile.open(blob(layer["digest"])) as archive:
            found |= {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
    assert found == {"sluice.wasm": b"wasm", "libsluice.so": b"native"}
