// Runs a deck in eecircuit-engine (ngspice as WebAssembly) and prints its vectors and messages as JSON.
import fs from "node:fs";

const [, , engine, deck] = process.argv;
const { Simulation } = await import(engine);
const simulation = new Simulation();
await simulation.start();
simulation.setNetList(fs.readFileSync(deck, "utf8"));
const result = await simulation.runSim();
const vectors = {};
for (const one of result.data) vectors[one.name] = one.values;
const text = JSON.stringify({ vectors, errors: simulation.getError(), version: simulation.getInitInfo() });
process.stdout.write(text, () => process.exit(0));
