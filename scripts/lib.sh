# What scripts/run and scripts/test share. Sourced by bash, with the root of the project as the working directory.
# Nothing here asks: it finds out, says what it does, or says what is missing and ends.

# An entry is a Debian package, or command=package where any source of the command will do.
BUILD_NEEDS="gcc=gcc cmake=cmake ninja=ninja-build pkg-config=pkgconf libc6-dev libh2o-evloop-dev libsqlite3-dev
    libmariadb-dev libmariadb-dev-compat libjansson-dev libjwt-dev libsodium-dev libcrypt-dev libssl-dev libinih-dev
    libutf8proc-dev zlib1g-dev uthash-dev"
# mariadb-server-core is the server without the service: tests start it by themselves, in folders of their own.
TEST_NEEDS="prove=perl make=make git=git libcmocka-dev clang-14=clang-14 libclang-rt-14-dev clang-tidy-14=clang-tidy-14
    clang-format-14=clang-format-14 node=nodejs npm=npm curl=curl openssl=openssl nghttp=nghttp2-client
    nginx=nginx sqlite3=sqlite3 mariadbd=mariadb-server-core
    mariadb=mariadb-client-core python3-socketio python3-aiohttp
    python3-requests python3-websocket"
PACKAGE_NEEDS="dpkg-shlibdeps=dpkg-dev file=file npm=npm"
IMAGE_NEEDS="buildah=buildah debootstrap=debootstrap"
# To look at the unit and the compose file, and to boot a bare Debian with the package installed.
# The tests of the page at /app/ look at it with Chromium, and so that it can show more than Latin, with a font.
TEST_NEEDS+=" chromium=chromium fonts-dejavu-core"
TEST_NEEDS+=" $PACKAGE_NEEDS $IMAGE_NEEDS systemd-analyze=systemd systemd-nspawn=systemd-container docker-compose=docker-compose"
LONG_NEEDS="podman=podman netavark aardvark-dns crun=crun iptables=iptables ip=iproute2"        # to run docker-compose.yml

LOGS=build/log
JOBS=${TB_JOBS:-$(nproc)}
PATH=$PATH:/usr/sbin:/sbin          # mariadbd lives there, and not everybody's PATH says so

say() { printf '== %s\n' "$*"; }
minutes() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }
fail() { printf '!! %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

missing_of() {
    local need
    for need in "$@"; do
        case $need in
        *=*) command -v "${need%%=*}" >/dev/null || echo "${need#*=}" ;;
        *)   [ "$(dpkg-query -W -f='${db:Status-Status}' "$need" 2>/dev/null)" = installed ] || echo "$need" ;;
        esac
    done
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" </dev/null >>$LOGS/apt 2>&1
}

# Installs what is missing of the needs, and only that. The lists of packages are fetched when they lack something or
# have become too old to download by.
install_missing() {
    command -v apt-get >/dev/null || fail "This needs Debian 12 or something near it; see Dockerfile for another way."
    local missing
    missing=$(missing_of "$@")
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086
    set -- $missing
    if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
        fail "Some packages are missing, and installing them needs root: sudo apt-get install $*"
    fi
    say "installing, a minute or two: $*"
    : >$LOGS/apt
    apt-cache show "$@" >/dev/null 2>&1 || as_root apt-get update -q >>$LOGS/apt 2>&1 || true
    apt_install "$@" || { as_root apt-get update -q >>$LOGS/apt 2>&1 && apt_install "$@"; } ||
        { tail -20 $LOGS/apt >&2; fail "apt-get could not install them; all it said is in $LOGS/apt"; }
}

# MariaDB's installer and the TLS tests look localhost up; a bare root has no file that says where that is.
know_localhost() {
    getent hosts localhost >/dev/null && return 0
    say "writing localhost to /etc/hosts, which does not know it"
    echo '127.0.0.1 localhost' | as_root tee -a /etc/hosts >/dev/null
}

# build PRESET [cmake option...]: configures and builds build/PRESET.
build() {
    local preset=$1 log=$LOGS/build-$1 began=$SECONDS
    shift
    if ! { cmake --preset "$preset" "$@" &&
           cmake --build --preset "$preset" -j "$JOBS" ${BUILD_TARGET:+--target $BUILD_TARGET}; } >"$log" 2>&1; then
        grep -E -A6 'error|Error|undefined reference|FAILED' "$log" | head -60 >&2 || true
        fail "building $preset failed; all of it is in $log"
    fi
    say "built $preset in $((SECONDS - began)) s"
}

mkdir -p $LOGS
