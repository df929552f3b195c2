import type { Random } from "../index.ts";
import type { Kernels } from "./kernels/kernels.ts";
import type { Network } from "./networks/network.ts";
import { allocateTrainable, resetMoments, type Trainable } from "./networks/optimizer.ts";

/** A critic and the slow copy of it that targets are computed with. */
export interface Critic {
  readonly online: Trainable;
  readonly target: number;
}

/** What an agent needs to learn, beside its actor. */
export interface Mind {
  /** Its parameters are those of the agent's actor. */
  readonly actor: Trainable;
  readonly actorTarget: number;
  /** One (DDPG) or two (TD3). */
  readonly critics: readonly Critic[];
  /** Critic updates so far: every `policyDelay` of them, the actor learns as well. */
  updates: number;
}

/** One of a population: an actor, and what it learns with if it does. All tensors lie in the arena. */
export interface Agent {
  /** Index of the actor's parameters. */
  readonly actor: number;
  readonly mind: Mind | null;
  /** Deviation of its exploration, in units of half the action range; it decays as the agent explores. */
  noise: number;
}

/** The shapes that all agents of a run share. */
export interface Networks {
  readonly actor: Network;
  readonly critic: Network;
  readonly criticCount: number;
}

/** Makes an actor that does not learn. */
export function createActor(kernels: Kernels, networks: Networks, random: Random): Agent {
  const actor = kernels.arena.allocate(networks.actor.parameterCount);
  networks.actor.initialize(actor, random);
  return { actor, mind: null, noise: 0 };
}

/** Makes an agent that learns; its targets start as copies. */
export function createLearningAgent(kernels: Kernels, networks: Networks, noise: number, random: Random): Agent {
  const actor = allocateTrainable(kernels, networks.actor.parameterCount);
  networks.actor.initialize(actor.parameters, random);
  const critics = Array.from({ length: networks.criticCount }, () => {
    const online = allocateTrainable(kernels, networks.critic.parameterCount);
    networks.critic.initialize(online.parameters, random);
    return { online, target: kernels.arena.allocate(online.count) };
  });
  const mind = { actor, actorTarget: kernels.arena.allocate(actor.count), critics, updates: 0 };
  const agent = { actor: actor.parameters, mind, noise };
  startAfresh(kernels, agent);
  return agent;
}

/**
 * Makes an agent learn as if it were new, with the parameters that it has: targets are copies of its networks (those of
 * its parents would pull it back towards them), moments and update counts are zero.
 */
export function startAfresh({ arena }: Kernels, { mind }: Agent): void {
  if (mind === null) return;
  const { values } = arena;
  values.copyWithin(mind.actorTarget, mind.actor.parameters, mind.actor.parameters + mind.actor.count);
  resetMoments(arena, mind.actor);
  for (const { online, target } of mind.critics) {
    values.copyWithin(target, online.parameters, online.parameters + online.count);
    resetMoments(arena, online);
  }
  mind.updates = 0;
}
