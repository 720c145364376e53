// Runs tests of a wasm module in two workers, each test in an instance of its own. The verdicts gather in `verdicts`.
const [url, names, patience_ms] = arguments;
const source = `
  const imports = module => {
    const given = {};
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      given[from] ??= {};
      given[from][name] = () => { throw new Error("the test called out: " + from + "." + name + " (" + kind + ")"); };
    }
    return given;
  };
  onmessage = async ({ data: { module, name } }) => {
    const begun = performance.now();
    let error = null;
    try {
      const given = imports(module);
      let state = 0x9e3779b9, instance = null;
      given.env ??= {};
      given.env.__getrandom_v03_custom = (pointer, length) => {
        const bytes = new Uint8Array(instance.exports.memory.buffer, pointer >>> 0, length >>> 0);
        for (let i = 0; i < bytes.length; i++) {
          state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
          bytes[i] = state;
        }
        return 0;
      };
      instance = await WebAssembly.instantiate(module, given);
      instance.exports[name]();
    } catch (failure) {
      error = String(failure.stack ?? failure);
    }
    postMessage({ name, ms: performance.now() - begun, error });
  };`;
const module = await WebAssembly.compileStreaming(fetch(url));
const script = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
const queue = [...names];
globalThis.verdicts = [];
const work = () => {
  const name = queue.shift();
  if (name === undefined) return;
  const worker = new Worker(script);
  const settle = verdict => {
    clearTimeout(deadline);
    worker.terminate();
    globalThis.verdicts.push(verdict);
    work();
  };
  const deadline = setTimeout(
    () => settle({ name, ms: patience_ms, error: "not finished in " + patience_ms / 1000 + " s" }), patience_ms);
  worker.onmessage = ({ data }) => settle(data);
  worker.onerror = event => settle({ name, ms: 0, error: "the worker failed: " + event.message });
  worker.postMessage({ module, name });
};
work();
work();
