# Name the base image by digest for a build that can be repeated:
#   docker build --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:… --tag standfirst .
ARG PYTHON_IMAGE=python:3.13-slim
# yes: the embedded LLM is in the image too (130 MB more), and answers where no key is given.
ARG LOCAL_LLM=no
# yes: Slack, traces, encryption, PDF and Parquet too.
ARG EXTRAS=no

FROM ${PYTHON_IMAGE} AS build
ARG LOCAL_LLM
ARG EXTRAS
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_DEPS=1 PIP_REQUIRE_VIRTUALENV=1
WORKDIR /src
COPY requirements/ requirements/
RUN python -m venv /opt/builder \
    && /opt/builder/bin/pip install --require-hashes -r requirements/build.txt \
    && python -m venv /opt/standfirst \
    && /opt/standfirst/bin/pip install --require-hashes -r requirements/run.txt \
    && if [ "${LOCAL_LLM}" = yes ]; then \
        /opt/standfirst/bin/pip install --require-hashes -r requirements/local.txt; \
    fi \
    && if [ "${EXTRAS}" = yes ]; then \
        /opt/standfirst/bin/pip install --require-hashes -r requirements/extras.txt; \
    fi
COPY LICENSE README.md pyproject.toml ./
COPY prompts/ prompts/
COPY service/ service/
RUN /opt/builder/bin/hatchling build -t wheel -d /dist \
    && /opt/standfirst/bin/pip install --no-index /dist/*.whl \
    && /opt/standfirst/bin/pip uninstall --yes pip

FROM ${PYTHON_IMAGE}
ARG LOCAL_LLM
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Standfirst" \
    org.opencontainers.image.description="Summaries and key quotes of news articles, checked against the article" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

# The embedded LLM's engine links against the OpenMP runtime, which slim images lack. Its version is the
# base image's affair.
# hadolint ignore=DL3008
RUN if [ "${LOCAL_LLM}" = yes ]; then \
        apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*; \
    fi

# Python images come without bytecode, and a root that is read-only would never get any: starts would be slow.
RUN python -m compileall -q -x '/(idlelib|lib2to3|site-packages|test|tests)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && useradd --system --uid 10001 --user-group --home-dir /data --create-home --shell /usr/sbin/nologin standfirst
COPY --from=build /opt/standfirst /opt/standfirst
ENV PATH=/opt/standfirst/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    STANDFIRST_HOST=0.0.0.0 \
    STANDFIRST_PORT=8000 \
    STANDFIRST_LOG_FORMAT=json \
    STANDFIRST_CACHE_URL=sqlite:////data/cache.sqlite3 \
    STANDFIRST_KEYS_FILE=/data/keys.json

# Cache and keys live here. With `docker run --read-only` nothing else is written; without a tmpfs on /tmp,
# temporary files come here too, as it is the working folder.
WORKDIR /data
VOLUME /data
USER 10001:10001

# The tokenizer's ranks are in the image: this fails where they would have to be downloaded.
RUN --network=none ["python", "-c", "from service.tokens import get_encoding; get_encoding()"]

EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-m", "service.health"]
ENTRYPOINT ["standfirst"]
CMD ["serve"]
