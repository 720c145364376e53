# The program alone, in an image of nothing else: no shell, no libraries, no system.
#
#   docker build -t manyhands .
#   docker run --rm -it --network host -v "$PWD":/data manyhands host
#
# The first stage makes the folder target/image, which is the whole root of the image. `cargo xtask test --only image` makes the same
# folder, and runs the program with that as its root.

FROM rust:1.95-slim AS build
# For the few parts that are written in C and assembler.
RUN apt-get update && apt-get install --yes --no-install-recommends build-essential musl-tools && rm -rf /var/lib/apt/lists/*
WORKDIR /manyhands
COPY . .
RUN cargo xtask image

# The example client wants a shell: docker compose --profile client up
FROM busybox:1.37-musl AS client
COPY --from=build /manyhands/target/image/manyhands /usr/local/bin/manyhands
COPY examples/files.sh /files.sh
ENTRYPOINT ["/bin/sh", "/files.sh"]

# What is made when nothing is said: the program alone.
FROM scratch AS program
# Nobody in particular, who owns /data and /room and may write nowhere else.
COPY --from=build --chown=65532:65532 /manyhands/target/image/ /
USER 65532:65532
ENV MANYHANDS_STATE=/data
WORKDIR /data
VOLUME /data
EXPOSE 8080
ENTRYPOINT ["/manyhands"]
CMD ["host"]
