# docker build -t tombolo . && docker run -p 5000:5000 -v tombolo:/data tombolo
# Without docker: scripts/image. The program needs its shared libraries and a place for its journal, nothing else; it runs as a
# user of its own and, but for /data, on a read-only root.

# Of the page at /app/, what others wrote: npm is for nothing else.
FROM debian:bookworm-slim AS modules
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ca-certificates npm \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /modules
COPY web/package.json web/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM debian:bookworm-slim AS build
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        gcc libc6-dev cmake ninja-build pkgconf libh2o-evloop-dev libsqlite3-dev libmariadb-dev libmariadb-dev-compat \
        libjansson-dev libjwt-dev libsodium-dev libcrypt-dev libssl-dev libinih-dev libutf8proc-dev zlib1g-dev uthash-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /tombolo
COPY . .
COPY --from=modules /modules/node_modules build/release/web/node_modules
# Touched: they are what the lock file asks for, whichever of them was copied first.
RUN touch build/release/web/node_modules/.package-lock.json \
    && cmake --preset release -DTB_TESTS=OFF && cmake --build --preset release --target tombolo \
    && test ! -s build/release/web/left-out && strip build/release/tombolo

FROM debian:bookworm-slim
# What the Debian package depends on as well; a test compares the two.
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
        ca-certificates libh2o-evloop0.13 libsqlite3-0 libmariadb3 libjansson4 libjwt0 libsodium23 libcrypt1 libssl3 libinih1 libutf8proc2 zlib1g \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
    && groupadd --gid 5000 tombolo \
    && useradd --uid 5000 --gid 5000 --no-create-home --home-dir /data --shell /usr/sbin/nologin tombolo \
    && install -d -o tombolo -g tombolo -m 0700 /data
COPY --from=build /tombolo/build/release/tombolo /usr/local/bin/tombolo
COPY conf/tombolo.conf /etc/tombolo/tombolo.conf
USER 5000:5000
ENV PORT=5000 TOMBOLO_CONFIG=/etc/tombolo/tombolo.conf TOMBOLO_SERVER_DATA=/data
VOLUME /data
EXPOSE 5000 5443
# The loop turns and the journal can be written. MySQL being away is not a reason to be restarted. It is asked through its data
# folder, so it does not matter where it listens, and whether there is TLS.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["tombolo", "health"]
# SIGTERM is what it stops in order by; it takes at most ten seconds, which is what `docker stop` gives it.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tombolo"]
CMD ["serve"]
# Last, because they are other ones for each commit. The version is that of CMakeLists.txt, which scripts/image hands over.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tombolo" \
      org.opencontainers.image.description="A realtime chat backend with a local journal and a MySQL centre" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
