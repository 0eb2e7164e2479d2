// Says what is wrong with Kubernetes objects. Usage: node validate.mjs BUILD < objects.json, a list of {where, object}; writes a list of texts.
//
// Three judges:
//  - the types that each minor version's OpenAPI says, as @kubernetes/client-node has them: unknown fields, types, and fields that are missing;
//  - kubernetes-models and @kubernetes-models/prometheus-operator: JSON Schema, with formats;
//  - TypeScript, for unknown fields of the operator's objects.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const modules = path.join(path.resolve(process.argv[2]), "chart", "node_modules");
const require = createRequire(path.join(modules, "x.js"));
const versions = readdirSync(modules).filter((name) => /^kubernetes-1\.\d+$/.test(name)).map((name) => name.slice("kubernetes-".length));

const CLASSES = {
  "apps/v1 DaemonSet": "V1DaemonSet",
  "networking.k8s.io/v1 NetworkPolicy": "V1NetworkPolicy",
  "scheduling.k8s.io/v1 PriorityClass": "V1PriorityClass",
  "v1 ConfigMap": "V1ConfigMap",
  "v1 Pod": "V1Pod",
  "v1 Secret": "V1Secret",
};
const CUSTOM = { "monitoring.coreos.com/v1 PodMonitor": "PodMonitor", "monitoring.coreos.com/v1 PrometheusRule": "PrometheusRule" };

const kindOf = (object) => `${object.apiVersion} ${object.kind}`;
const errors = [];

// The types of one minor version, read when they are asked for.
class Version {
  constructor(name) {
    this.name = name;
    this.models = path.join(modules, `kubernetes-${name}`, "dist", "gen", "models");
    this.classes = new Map();
  }

  // {field: {type, required}}
  async fieldsOf(name) {
    if (!this.classes.has(name)) {
      const module = await import(pathToFileURL(path.join(this.models, `${name}.js`)));
      const declared = readFileSync(path.join(this.models, `${name}.d.ts`), "utf8");
      const fields = {};
      for (const each of module[name].getAttributeTypeMap())
        fields[each.baseName] = { type: each.type, format: each.format, required: new RegExp(`^ *'${each.name}': `, "m").test(declared) };
      this.classes.set(name, fields);
    }
    return this.classes.get(name);
  }

  async check(value, type, where, say, format = "") {
    const kind = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
    const wrong = (wanted) => say(`${where}: ${wanted} is wanted, not ${kind}`);
    const list = /^Array<(.*)>$/.exec(type);
    const map = /^\{ \[key: string\]: (.*); \}$/.exec(type);
    if (list) {
      if (kind !== "array") return wrong("a list");
      for (const [i, each] of value.entries()) await this.check(each, list[1], `${where}[${i}]`, say, format);
    } else if (map) {
      if (kind !== "object") return wrong("a map");
      for (const [key, each] of Object.entries(value)) await this.check(each, map[1], `${where}.${key}`, say, format);
    } else if (type === "IntOrString") {
      if (kind !== "string" && !Number.isInteger(value)) wrong("a number or string");
    } else if (["string", "number", "boolean"].includes(type)) {
      // Quantities are strings in the OpenAPI, and numbers are taken for them.
      const quantity = type === "string" && kind === "number" && /\.(requests|limits)\./.test(where);
      if (kind !== type && !quantity) return wrong(`a ${type}`);
      if (format.startsWith("int") && !Number.isInteger(value)) say(`${where}: not a whole number`);
      if (format === "byte" && Buffer.from(value, "base64").toString("base64") !== value) say(`${where}: not base64`);
    } else if (/^V\d/.test(type)) {
      if (kind !== "object") return wrong(type);
      const fields = await this.fieldsOf(type);
      for (const [name, each] of Object.entries(value)) {
        if (name in fields) await this.check(each, fields[name].type, `${where}.${name}`, say, fields[name].format);
        else say(`${where}.${name}: ${type} has no such field`);
      }
      for (const [name, field] of Object.entries(fields)) if (field.required && !(name in value)) say(`${where}.${name}: is missing`);
    } else {
      say(`${where}: the test does not know the type ${type}`);
    }
  }
}

// JSON Schema.
async function validateByModels({ where, object }) {
  const kind = kindOf(object);
  const [name, file] = CUSTOM[kind]
    ? [CUSTOM[kind], `@kubernetes-models/prometheus-operator/${object.apiVersion}/${object.kind}.js`]
    : [object.kind, `kubernetes-models/${object.apiVersion}/${object.kind}.js`];
  const module = await import(pathToFileURL(path.join(modules, file)));
  try {
    new module[name](structuredClone(object)).validate();
  } catch (error) {
    errors.push(`${where}: ${error.message}`);
  }
}

function validateByTypescript(all) {
  if (all.length === 0) return;
  const directory = mkdtempSync(path.join(modules, "typed-"));
  try {
    const lines = all.map(({ object }, i) => `export const o${i}: I${object.kind} = ${JSON.stringify(object)};`);
    const imports = Object.values(CUSTOM).map((name) => `import { I${name} } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/${name}";`);
    writeFileSync(path.join(directory, "objects.ts"), [...imports, ...lines, ""].join("\n"));
    const compilerOptions = { noEmit: true, strict: true, skipLibCheck: true, module: "esnext", moduleResolution: "bundler", types: [] };
    writeFileSync(path.join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["objects.ts"] }));
    execFileSync("node", [require.resolve("typescript/bin/tsc"), "-p", directory], { encoding: "utf8" });
  } catch (error) {
    for (const line of error.stdout.split("\n").filter(Boolean)) {
      const at = /objects\.ts\((\d+),/.exec(line);
      errors.push(`${at ? all[Number(at[1]) - 1 - Object.keys(CUSTOM).length].where : "TypeScript"}: ${line.replace(/^[^:]*: /, "")}`);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const objects = JSON.parse(readFileSync(0, "utf8"));
for (const version of versions.map((name) => new Version(name))) {
  for (const { where, object } of objects) {
    if (CUSTOM[kindOf(object)]) continue;
    const type = CLASSES[kindOf(object)];
    if (type) await version.check(object, type, object.kind, (what) => errors.push(`${where}, Kubernetes ${version.name}: ${what}`));
    else errors.push(`${where}: an object that the test does not know: ${kindOf(object)}`);
  }
}
for (const each of objects) if (CLASSES[kindOf(each.object)] || CUSTOM[kindOf(each.object)]) await validateByModels(each);
validateByTypescript(objects.filter(({ object }) => CUSTOM[kindOf(object)]));
process.stdout.write(JSON.stringify({ versions, errors }));
