# For tests of pages, to be sourced: finds Chromium or ends with 77 (skipped), makes a folder $work that is removed at the
# end, and defines dump_dom PAGE DOM.
browser=
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then browser=$name; break; fi
done
if [ -z "$browser" ]; then
  echo "SKIPPED: no Chromium (chromium, chromium-browser or google-chrome); on Debian: apt-get install chromium"
  exit 77
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Names resolve to nothing and addresses go to a closed port, so a page that needs the network cannot finish.
dump_dom() {
  timeout 120 "$browser" --headless=new --disable-gpu --no-sandbox --disable-dev-shm-usage --no-first-run \
    --disable-background-networking --disable-component-update --user-data-dir="$work/profile" \
    --host-resolver-rules="MAP * ~NOTFOUND" --proxy-server="http://127.0.0.1:9" --window-size=1400,1000 \
    --virtual-time-budget=10000 --dump-dom "file://$1" >"$2" 2>"$work/log" && return
  echo "$(basename "$0"): $browser failed on $1" >&2
  tail -n 20 "$work/log" >&2
  return 1
}
