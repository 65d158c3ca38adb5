#!/bin/sh
# The Worker in front of an image CDN: it returns the same image, with labels in the headers. It needs IMAGE_ORIGIN:
#
#     npx wrangler dev --var IMAGE_ORIGIN:https://images.example.com
#     sh examples/image-cdn/labels.sh http://localhost:8787 path/of/an-image.jpg
set -eu
endpoint=$1
image=$2
copy=$(mktemp)
trap 'rm -f "$copy" "$copy.headers"' EXIT

curl -sS --fail-with-body -D "$copy.headers" -o "$copy" "$endpoint/cdn/$image"
echo "$image: $(wc -c <"$copy" | tr -d ' ') bytes"
grep -i '^x-image-' "$copy.headers"

echo "As JSON:"
curl -sS --fail-with-body -H "Accept: application/json" "$endpoint/cdn/$image"
echo
