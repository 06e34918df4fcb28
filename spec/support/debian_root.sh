#!/bin/sh
# debian_root.sh -- makes a bare Debian 12: the essential packages, and some more.
#
#   sh spec/support/debian_root.sh TAR PACKAGE...
#
# It comes from where apt on this machine gets Debian 12. Takes root.

set -eu
tar=$1; shift
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

find_sources() {
  apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI) $(ORIGIN)' 'Created-By: Packages' |
    awk -v keyring=$keyring '$1 ~ /^bookworm(-updates|-security)?$/ && $2 == "main" && $4 ~ /^(Debian|\$)/ {
      print "deb [signed-by=" keyring "] " $3, $1, $2 }' | sort -u
}
sources=$(find_sources)
[ -n "$sources" ] || { apt-get update -qq; sources=$(find_sources); } # its lists may have been removed
[ -n "$sources" ] || { echo "apt on this machine has no source of Debian 12" >&2; exit 1; }

settings=$(mktemp)
trap 'rm -f "$settings"' EXIT
apt-config dump | grep '^Acquire::.*\(Proxy\|Check-\)' >"$settings" || true

include=$(echo "$@" | tr ' ' ,)
echo "$sources" | mmdebstrap --quiet --mode=root --format=tar --variant=essential --include="$include" \
  --aptopt="$settings" --dpkgopt=force-unsafe-io bookworm "$tar.new" -
mv "$tar.new" "$tar"
