#!/usr/bin/env bash
# Writes a transcript between the marks of a page: record.sh TRANSCRIPT PAGE
set -euo pipefail
python3 - "$1" "$2" <<'END'
import sys

transcript, page = (open(path).read() for path in sys.argv[1:])
begin, end = "<!-- rehearsal -->\n", "<!-- /rehearsal -->\n"
before, rest = page.split(begin)
_, after = rest.split(end)
open(sys.argv[2], "w").write(before + begin + "```console\n" + transcript.strip() + "\n```\n" + end + after)
END
