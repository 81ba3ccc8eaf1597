# Debian releases as folders under build/chroots: sourced by tests/install/run, which sets root.
# shellcheck shell=bash disable=SC2154

chroots=$root/build/chroots
inside=$root/tests/install/inside
declare -A debian=([bullseye]=11 [bookworm]=12 [trixie]=13)

mirror() { # where this machine's apt has its own release from
  # shellcheck source=/dev/null
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' \
    "Codename: $(. /etc/os-release && echo "$VERSION_CODENAME")" | head -n 1
}

# minimal SUITE TREE: unpacks a minimal system, which is fetched once, in place of what is there.
minimal() {
  local suite=$1 tree=$2 tarball=$chroots/$1.tar new=$chroots/$1.new
  mkdir -p "$chroots"
  if [[ ! -s $tarball ]]; then
    rm -rf "$new"
    unshare --mount --propagation private debootstrap --variant=minbase "$suite" "$new" "$(mirror)" || return
    rm -f "$new"/var/cache/apt/archives/*.deb
    tar -C "$new" -cf "$tarball.new" . && mv "$tarball.new" "$tarball" || return
    rm -rf "$new"
  fi
  rm -rf "$tree" && mkdir -p "$tree" && tar -C "$tree" -xpf "$tarball" || return
  cp -L /etc/resolv.conf "$tree/etc/resolv.conf"
  apt-config dump | grep -iE '^Acquire::.*Proxy' > "$tree/etc/apt/apt.conf.d/90proxy"
  printf '#!/bin/sh\nexit 101\n' > "$tree/usr/sbin/policy-rc.d" && chmod +x "$tree/usr/sbin/policy-rc.d"
}

# with_packages TREE PACKAGE...
with_packages() {
  "$inside" "$1" apt-get -o Acquire::Retries=3 update &&
    "$inside" "$1" apt-get -o Acquire::Retries=3 install -y --no-install-recommends "${@:2}" &&
    rm -f "$1"/var/cache/apt/archives/*.deb
}
