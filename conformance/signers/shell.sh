#!/usr/bin/env bash
# The way of the widely copied shell scripts: openssl for the chain, GNU date for
# a sixteen-digit timestamp in microseconds, upper-case hex, curl to send.
# And curl with the header that `countersign sign` prints.
# Usage: shell.sh PATH-OF-COUNTERSIGN
set -euo pipefail
countersign=$1
failed=0
host=127.0.0.1

tell() { # capability actual expected
  if [ "$2" = "$3" ]; then
    echo "pass shell $1"
  else
    failed=$((failed + 1))
    echo "fail shell $1: got $2, expected $3"
  fi
}

hmac() { # hexkey < message
  openssl dgst -sha256 -mac HMAC -macopt hexkey:"$1" | sed 's/^.*= *//'
}

header() { # method target timestamp case
  local nonce key sig
  nonce=$(openssl rand -hex 16)
  key=$(printf '%s' "$nonce" | xxd -r -p | hmac "$VERACODE_API_KEY_SECRET")
  key=$(printf '%s' "$3" | hmac "$key")
  key=$(printf 'vcode_request_version_1' | hmac "$key")
  sig=$(printf 'id=%s&host=%s&url=%s&method=%s' "$VERACODE_API_KEY_ID" "$host" "$2" "$1" | hmac "$key")
  if [ "$4" = upper ]; then
    nonce=${nonce^^}
    sig=${sig^^}
  fi
  printf 'VERACODE-HMAC-SHA-256 id=%s,ts=%s,nonce=%s,sig=%s' "$VERACODE_API_KEY_ID" "$3" "$nonce" "$sig"
}

status() { # target authorization
  curl --silent --output /dev/null --write-out '%{http_code}' --cacert "$PLATFORM_CA" \
    --header @- "$PLATFORM_URL$1" <<<"Authorization: $2"
}

target="/appsec/v1/applications?size=1"
microseconds() { echo $(($(date +%s%N) / 1000)); }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

tell "microsecond timestamp" "$(status "$target" "$(header GET "$target" "$(microseconds)" lower)")" 200
tell "upper-case hex" "$(status "$target" "$(header GET "$target" "$(milliseconds)" upper)")" 200
tell "another method is refused" "$(status "$target" "$(header POST "$target" "$(milliseconds)" lower)")" 401
tell "an hour-old timestamp is refused" \
  "$(status "$target" "$(header GET "$target" $(($(milliseconds) - 3600000)) lower)")" 401

once=$("$countersign" --home "$SIGN_HOME" sign --url "$PLATFORM_URL$target")
tell "curl with our printed header" "$(status "$target" "$once")" 200
tell "the same header a second time is refused" "$(status "$target" "$once")" 401
[ "$failed" -eq 0 ]
