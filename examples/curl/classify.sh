#!/bin/sh
# The HTTP API with curl. Start the server with `npm start`, then run:
#
#     sh examples/curl/classify.sh http://localhost:8787
set -eu
endpoint=${1:-http://localhost:8787}
images=$(dirname "$0")/../images

echo "One image, three classes:"
curl -sS --fail-with-body --data-binary "@$images/teapot.jpg" "$endpoint/v1/classify?top_k=3"
echo

echo "Two images at once:"
curl -sS --fail-with-body -F "image=@$images/ladybug.jpg" -F "image=@$images/espresso.jpg" "$endpoint/v1/classify?top_k=1"
echo

echo "The features of an image, for similarity search:"
curl -sS --fail-with-body --data-binary "@$images/teapot.jpg" "$endpoint/v1/embed?normalize=l2&encoding=base64"
echo
