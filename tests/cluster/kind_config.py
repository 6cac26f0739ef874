"""kind-config.yaml with what this machine needs besides, on standard output. Called by `up`: `kind_config.py FILE WORKERS`."""

import sys
from pathlib import Path

import yaml

# kubeadm's images were built here and carry this name, so that nothing can be pulled by mistake.
LOCAL_IMAGES = """\
kind: ClusterConfiguration
imageRepository: localhost
dns: {imageTag: v1.14.7}
etcd: {local: {imageTag: v3.6.5}}
"""


def main(path: str, workers: str) -> None:
    config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    config.setdefault("networking", {})["disableDefaultCNI"] = True  # the node image brings its own
    config.setdefault("kubeadmConfigPatches", []).append(LOCAL_IMAGES)
    config["nodes"] += [{"role": "worker"}] * int(workers)
    yaml.dump(config, sys.stdout, Dumper=_Plain, sort_keys=False)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


if __name__ == "__main__":
    main(*sys.argv[1:])
