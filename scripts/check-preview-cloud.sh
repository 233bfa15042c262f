#!/usr/bin/env bash
# The checks to run after every deployment: one line each, and exit code 1 if any fails.
#
#   bash scripts/check-preview-cloud.sh https://daemon.example.com preview.example.com
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: $0 DAEMON_URL BASE_DOMAIN" >&2
  exit 2
fi
exec preview doctor --daemon "$1" --base "$2"
