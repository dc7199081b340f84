#!/usr/bin/env bash
# Fetches the vendored assets from the npm registry, checks them against VERSIONS, and writes what is embedded.
#
#   static/vendor.sh          fetch again what VERSIONS names; stop if a checksum differs
#   static/vendor.sh update   take what VERSIONS names as it is now and write the new checksums
#
# Icons are cut from Lucide into one sprite; to use another, add its name to ICONS.
set -euo pipefail
cd "$(dirname "$0")"

HTMX=4.0.1
BASECOAT=1.0.2
LUCIDE=1.62.0
AXE=4.14.1
ACE=1.45.2
ICONS="arrow-down arrow-up bookmark check chevron-down chevron-right chevrons-up-down circle-alert circle-question-mark
  columns-3 copy download ellipsis info key-round keyboard lock log-out menu monitor moon refresh-cw star sun sun-moon
  triangle-alert unplug user x"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() { # package version
  (cd "$work" && npm pack --silent "$1@$2" >/dev/null && mkdir "$1" && tar -xzf "$1-$2.tgz" -C "$1" --strip-components=1)
}

fetch htmx.org "$HTMX"
fetch basecoat-css "$BASECOAT"
fetch lucide-static "$LUCIDE"
fetch axe-core "$AXE"
fetch ace-builds "$ACE"

out=$work/out
mkdir -p "$out/files" "$out/licenses" "$out/axe"
# The last line of a minified file names its source map, which is not shipped.
strip_map() { sed '/^\/\/# sourceMappingURL=/d' "$1"; }
strip_map "$work/htmx.org/dist/htmx.min.js" >"$out/files/htmx.js"
strip_map "$work/htmx.org/dist/ext/hx-sse.min.js" >"$out/files/hx-sse.js"
# The editor, loaded by its own page alone. Its style is a file because the pages' policy lets no script write one; the
# pictures that the style names are not shipped.
for part in ace:ace mode-yaml:ace-yaml ext-language_tools:ace-tools ext-searchbox:ace-tools; do
  strip_map "$work/ace-builds/src-min-noconflict/${part%%:*}.js" >>"$out/files/${part##*:}.js"
done
sed -E 's/url\([^)]*\)/none/g' "$work/ace-builds/css/ace.css" >"$out/files/ace.css"
cp "$work/basecoat-css/dist/basecoat-mira.cdn.min.css" "$out/files/basecoat.css"
{
  printf '<svg xmlns="http://www.w3.org/2000/svg">\n'
  for icon in $ICONS; do
    body=$(sed -e '/<!--/d' -e '1,/^>$/d' -e '/<\/svg>/d' "$work/lucide-static/icons/$icon.svg" | tr -d '\n' | tr -s ' ')
    printf '<symbol id="%s" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">%s</symbol>\n' "$icon" "$body"
  done
  printf '</svg>\n'
} >"$out/files/icons.svg"
cp "$work/htmx.org/LICENSE" "$out/licenses/htmx.txt"
cp "$work/basecoat-css/LICENSE.md" "$out/licenses/basecoat.txt"
cp "$work/lucide-static/LICENSE" "$out/licenses/lucide.txt"
cp "$work/ace-builds/LICENSE" "$out/licenses/ace.txt"
cp "$work/axe-core/axe.min.js" "$out/axe/axe.min.js"
cp "$work/axe-core/LICENSE" "$out/axe/LICENSE"

sum() { printf 'sha384-%s' "$(openssl dgst -sha384 -binary "$1" | base64 -w0)"; }
{
  printf '# name version file SHA-384; written by vendor.sh\n'
  printf 'htmx.org %s files/htmx.js %s\n' "$HTMX" "$(sum "$out/files/htmx.js")"
  printf 'htmx.org %s files/hx-sse.js %s\n' "$HTMX" "$(sum "$out/files/hx-sse.js")"
  printf 'basecoat-css %s files/basecoat.css %s\n' "$BASECOAT" "$(sum "$out/files/basecoat.css")"
  printf 'lucide-static %s files/icons.svg %s\n' "$LUCIDE" "$(sum "$out/files/icons.svg")"
  for f in ace.js ace-yaml.js ace-tools.js ace.css; do printf 'ace-builds %s files/%s %s\n' "$ACE" "$f" "$(sum "$out/files/$f")"; done
  printf 'axe-core %s ../views/gallery/testdata/axe/axe.min.js %s\n' "$AXE" "$(sum "$out/axe/axe.min.js")"
} >"$work/VERSIONS"

if [[ ${1:-} != update ]] && ! diff -u VERSIONS "$work/VERSIONS"; then
  echo "vendor.sh: what the registry has is not what VERSIONS names; nothing was written" >&2
  exit 1
fi
cp "$out"/files/* files/
mkdir -p licenses ../views/gallery/testdata/axe
cp "$out"/licenses/* licenses/
cp "$out"/axe/* ../views/gallery/testdata/axe/
cp "$work/VERSIONS" VERSIONS
