import { ConfigError } from "../index.ts";
import type { EnvironmentFactory } from "./environment.ts";
import { createMountainCarContinuousFactory } from "./environments/mountain-car-continuous.ts";
import { createPendulumFactory } from "./environments/pendulum.ts";

type Options = Readonly<Record<string, unknown>>;

const FACTORIES: Readonly<Record<string, (options: Options) => Promise<EnvironmentFactory> | EnvironmentFactory>> = {
  pendulum: (options) => withoutOptions(createPendulumFactory(), options),
  "mountain-car-continuous": (options) => withoutOptions(createMountainCarContinuousFactory(), options),
  // Loaded only when asked for: its data set and indicators take longer to load than a pendulum to swing up.
  market: async (options) => (await import("./market/market.ts")).createMarketFactory(options),
};

function withoutOptions(factory: EnvironmentFactory, options: Options): EnvironmentFactory {
  const names = Object.keys(options);
  if (names.length === 0) return factory;
  throw new ConfigError(`Environment "${factory.name}" takes no options, got: ${names.join(", ")}`);
}

/**
 * Finds an environment by its name.
 *
 * @param options - the environment's own, as in `TrainConfig.environmentOptions`
 * @throws ConfigError when there is no such environment, or it does not take these options
 */
export async function createEnvironmentFactory(name: string, options: Options = {}): Promise<EnvironmentFactory> {
  const create = Object.hasOwn(FACTORIES, name) ? FACTORIES[name] : undefined;
  if (create === undefined) {
    throw new ConfigError(`There is no environment "${name}"; there are: ${Object.keys(FACTORIES).join(", ")}`);
  }
  return create(options);
}
