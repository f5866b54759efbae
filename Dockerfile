# The image that Flyte's `plugins.k8s.co-pilot.image` names: nothing in it but the executable and what it needs to start.
#
#   docker build -t copilot .                                             FROM scratch
#   docker build -t copilot --build-arg RUN_AS=65532:65532 .              the same for restricted namespaces
#   docker build -t copilot --build-arg VARIANT=distroless \
#                --build-arg BASE=<a distroless/cc image> .               on a base with its own C library and certificates
#
# `deno task image` builds the same root file system without any base image.
ARG BASE=scratch

FROM denoland/deno:debian-2.7.14 AS build
# A package registry may stand behind a private CA, which the base image then trusts.
ENV DENO_TLS_CA_STORE=system,mozilla
# pip is for the runtime's second source, where Deno's own download is out of reach.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3-pip \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN deno task compile
ARG VARIANT=scratch
RUN scripts/rootfs.sh dist/copilot /rootfs --variant "$VARIANT"

FROM ${BASE}
# docker build --build-arg REVISION=$(git rev-parse HEAD) --build-arg VERSION=… --build-arg SOURCE=…
ARG VERSION= REVISION= SOURCE=
LABEL org.opencontainers.image.title=copilot org.opencontainers.image.licenses=Apache-2.0 \
  org.opencontainers.image.version=${VERSION} org.opencontainers.image.revision=${REVISION} \
  org.opencontainers.image.source=${SOURCE}
COPY --from=build /rootfs/ /
# Certificates that are mounted over the image's own are trusted too.
ENV PATH=/bin HOME=/tmp DENO_TLS_CA_STORE=system,mozilla
# Root, as the original's image, reads whatever main has written; 65532:65532 is for namespaces that admit nothing else.
ARG RUN_AS=0:0
USER ${RUN_AS}
ENTRYPOINT ["/bin/copilot"]
