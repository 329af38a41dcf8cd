#!/usr/bin/env bash
# Prints the digest of the only image, or index of images, in an OCI layout: digest.sh FOLDER
set -euo pipefail
python3 - "$1/index.json" <<'END'
import json, sys
manifests = json.load(open(sys.argv[1]))["manifests"]
if len(manifests) != 1:
    sys.exit(f"{sys.argv[1]}: has {len(manifests)} manifests, expected one")
print(manifests[0]["digest"])
END
