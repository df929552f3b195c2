import { cloudScenarios } from "./cloud-scenarios.ts";
import { providers } from "./places.ts";

for (const [name, start] of Object.entries(providers)) cloudScenarios(`provider ${name}`, start);
