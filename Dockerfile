# promptctl in a container, small and without root:
#
#   docker build -t promptctl .
#   docker run --rm -v "$PWD:/project" --user "$(id -u):$(id -g)" promptctl test --offline
#
# `--user` is yours, so that recordings and snapshots are your files.
FROM rust:1.95-slim-trixie AS build
WORKDIR /build
COPY . .
RUN cargo install --locked --path . --root /out

FROM debian:trixie-slim
# git is for people and scripts in the container; promptctl reads repositories itself.
# The versions of a Debian release only move with its security updates, which are wanted.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git \
    && rm -rf /var/lib/apt/lists/* \
    # The repository that is mounted may belong to another user than the one in here; this one place is trusted.
    && git config --system --add safe.directory /project \
    && useradd --uid 10001 --create-home promptctl
COPY --from=build /out/bin/promptctl /usr/local/bin/promptctl
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/promptctl/
USER 10001
WORKDIR /project
ENTRYPOINT ["promptctl"]
CMD ["--help"]
