# An image with the static binary, its bill of materials, and nothing else.
#
#   make image                 without a daemon: the binary is compiled outside and takes the place of the stage `build`
#   docker build .             compiles it in the stage `build`
FROM rust:1.95-bookworm AS build
RUN cargo install --locked --version 0.5.9 cargo-cyclonedx
WORKDIR /src
COPY . .
ARG COMMIT=unknown
RUN PODIDENTITY_COMMIT=$COMMIT image/binary.sh /

FROM scratch
COPY --from=build /podidentity-operator /sbom.cdx.json /
USER 65532:65532
ENTRYPOINT ["/podidentity-operator"]
