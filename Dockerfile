# The server's image. There is no Postgres in it: set DATABASE_URL. docker-compose.yml starts the two together.
#
#   docker build --tag oms .
# Images by their digests, or a tag could bring anything. `docker buildx imagetools inspect NAME:TAG` shows that of today;
# tag and digest change together.
ARG RUST_IMAGE=rust:1.95-slim-bookworm@sha256:d7482085ff5b415f84dba5647ae71606650bdef00db7aeb69f4b3d170c3e4082
ARG DEBIAN_IMAGE=debian:bookworm-slim@sha256:abd67ffcfa541b485a3dff59865ab629aa048a6c613e639d36e7456b0b229241

FROM ${RUST_IMAGE} AS build
# The binary names the crates it is made of, with their versions: `cargo audit bin`, trivy and syft read it.
RUN --mount=type=cache,id=oms-registry,target=/usr/local/cargo/registry,sharing=locked \
    cargo install --locked --root /usr/local --version 0.7.7 cargo-auditable
WORKDIR /src
COPY . .
# Queries are checked against .sqlx/: a build needs no database.
ENV SQLX_OFFLINE=true
# The commit, for `oms --version`: there is no git here. docker build --build-arg OMS_COMMIT="$(git rev-parse --short=12 HEAD)"
ARG OMS_COMMIT=
# Downloads and compiled dependencies stay in the builder's cache. Cargo tells by a file's time whether to compile it
# again, and the cache may be from a newer checkout than this one: `touch` has the server itself compiled always.
# The binary is copied because the cache is gone when the command ends.
RUN --mount=type=cache,id=oms-registry,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=oms-target,target=/src/target,sharing=locked \
    touch src/lib.rs src/main.rs \
    && cargo auditable build --profile dist --locked --bin oms \
    && install -D target/dist/oms /out/bin/oms \
    && mkdir -p /out/share/doc \
    && cp -R installations /out/share/installations \
    && cp LICENSE assets/fonts/LICENSE-DejaVu.txt /out/share/doc/ \
    && chmod -R u=rwX,go=rX /out

FROM ${DEBIAN_IMAGE}
# The certificates are for a Postgres that is reached by TLS. Their newest version is the right one.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old \
    && groupadd --gid 10001 oms \
    && useradd --uid 10001 --gid oms --no-log-init --create-home --home-dir /var/lib/oms --shell /usr/sbin/nologin oms
COPY --from=build /out/bin/oms /usr/local/bin/oms
COPY --from=build /out/share/installations /usr/share/oms/installations
COPY --from=build /out/share/doc /usr/share/doc/oms

ENV OMS_LISTEN=0.0.0.0:8000 \
    OMS_LOG_FORMAT=json
WORKDIR /var/lib/oms
# By number, so that a cluster that admits no root can see that it is none.
USER 10001:10001
EXPOSE 8000
# It finishes the requests under way, and exits.
STOPSIGNAL SIGTERM
# A first start migrates and installs before it is ready; `oms health` itself gives up after 5 seconds.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 CMD ["oms", "health"]
ENTRYPOINT ["oms"]
CMD ["serve"]

ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="oms" \
      org.opencontainers.image.description="An order management server: orders become packages, packages move by commands" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
