# dynamo-host with the plugins of all worker types. Built with BuildKit (`docker build`), some twenty
# minutes the first time.
FROM rust:1.95.0-bookworm AS build
WORKDIR /src
# What the build needs of the system is listed in one place. First, so that it is a layer of its own.
COPY rust-toolchain.toml ./
COPY tests/setup/cache.sh tests/setup/system.sh tests/setup/
RUN tests/setup/system.sh
COPY . .
# Cargo's folders outlive the build, so what leaves it is copied out.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --locked --release -p dynamo-host && \
    make plugins && \
    install -D -t /out target/release/dynamo-host && \
    install -m 644 -t /out target/wasm32-wasip2/plugin/*.wasm

# The same release of Debian as above, for its C and C++ libraries: dynamo-host is linked with these and
# no others. They are no newer than those of Ubuntu 22.04, so the program runs in SGLang's image, too.
FROM debian:bookworm-slim
RUN useradd --uid 65532 --create-home nonroot
# The host looks for plugins beside itself.
COPY --from=build /out /opt/dynamo-host
# By its number: Kubernetes cannot tell from a name that it is not root.
USER 65532:65532
ENTRYPOINT ["/opt/dynamo-host/dynamo-host"]
