#!/bin/sh
# Sells a course of the sandbox to Alice: sh sell.sh ORDER
set -eu

URL=${LERNITO_URL:-http://127.0.0.1:8790}/api/lernito/webhook/
SECRET=${LERNITO_WEBHOOK_SECRET:-lernito-sandbox-secret}

ID="order-$1"
TIMESTAMP=$(date +%s)
BODY='{"email":"alice@example.com","name":"Alice","family":"Ahl","username":"alice","courseIds":["course-v1:edX+DemoX+Demo_Course"],"order":"'"$1"'"}'

# A secret that begins with whsec_ is a key in base64. Any other secret is the key itself.
case $SECRET in
  whsec_*) KEY=$(printf %s "${SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n') ;;
  *) KEY=$(printf %s "$SECRET" | od -An -v -tx1 | tr -d ' \n') ;;
esac
SIGNATURE=v1,$(printf %s "$ID.$TIMESTAMP.$BODY" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$KEY" -binary | openssl base64 -A)

curl -sS -i "$URL" -H 'Content-Type: application/json' -d "$BODY" \
  -H "webhook-id: $ID" -H "webhook-timestamp: $TIMESTAMP" -H "webhook-signature: $SIGNATURE"
echo
