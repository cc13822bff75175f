"""Serves a GGUF of embeddings with llama.cpp's own C++ HTTP server: embeddings.py MODEL.gguf PORT ALIAS KEY"""
import sys, time, xllamacpp

model, port, alias, key = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
params = xllamacpp.CommonParams()
params.model.path = model
params.hostnames = ["127.0.0.1"] if isinstance(params.hostnames, list) else "127.0.0.1"
params.port, params.api_keys = port, [key]
params.model_alias = {alias} if isinstance(params.model_alias, set) else [alias] if isinstance(params.model_alias, list) else alias
# A text goes through such a model in one piece.
params.embedding, params.n_ctx, params.n_ubatch, params.n_parallel, params.n_gpu_layers = True, 512, 512, 1, 0
params.cpuparams.n_threads = 2
server = xllamacpp.Server(params)
print("listening", server.listening_address, flush=True)
while True:
    time.sleep(3600)
