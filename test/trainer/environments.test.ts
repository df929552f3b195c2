import { describe, expect, it } from "vitest";
import { stepCar } from "../../src/trainer/environments/mountain-car-continuous.ts";
import { stepPendulum } from "../../src/trainer/environments/pendulum.ts";
import { createEnvironmentFactory } from "../../src/trainer/registry.ts";

// The literals below were printed by Gymnasium 1.4.0 (numpy 2.4.6), its state set by hand.

describe("pendulum", () => {
  it("moves as Gymnasium's Pendulum-v1 does, torque clipped", () => {
    const state = { theta: 3, thetaDot: -1 };
    const expected = [
      [1.5, 2.966542000302245, -0.6691599939550996, -9.10225],
      [-2, 2.924614926242243, -0.8385414812000396, -8.849148949308242],
      [0.25, 2.8926358222846122, -0.63958207915261, -8.623750148368236],
      [5, 2.8848964590414403, -0.1547872648634417, -8.412248523961493],
      [0, 2.8866778354303784, 0.03562752777876488, -8.325023489126234],
    ] as const;
    for (const [torque, theta, thetaDot, reward] of expected) {
      expect(stepPendulum(state, torque)).toBeCloseTo(reward, 12);
      expect(state.theta).toBeCloseTo(theta, 12);
      expect(state.thetaDot).toBeCloseTo(thetaDot, 12);
    }
  });

  it("limits the speed to 8 rad/s", () => {
    const state = { theta: 0.1, thetaDot: 7.9 };
    expect(stepPendulum(state, 2)).toBeCloseTo(-6.255, 12);
    expect(state).toEqual({ theta: 0.5, thetaDot: 8 });
  });

  it("observes cosine, sine and speed, and truncates after 200 steps", async () => {
    const environment = (await createEnvironmentFactory("pendulum")).create("training");
    environment.reset(7);
    const [cos, sin, speed] = environment.observation as unknown as [number, number, number];
    expect(cos * cos + sin * sin).toBeCloseTo(1, 6);
    expect(Math.abs(speed)).toBeLessThanOrEqual(1);
    const action = Float32Array.of(0);
    for (let step = 1; step < 200; step++) expect(environment.step(action).truncated).toBe(false);
    expect(environment.step(action)).toMatchObject({ truncated: true, terminated: false });
  });
});

describe("mountain-car-continuous", () => {
  // Gymnasium rounds the car's state to 32 bits between steps: six digits are what can agree.
  it("moves as Gymnasium's MountainCarContinuous-v0 does", () => {
    const car = { position: -0.5, velocity: 0 };
    const expected = [
      [1, -0.4986768364906311, 0.0013231569901108742, -0.1],
      [-0.5, -0.49829041957855225, 0.00038641667924821377, -0.025],
      [0.25, -0.4977186322212219, 0.0005717863095924258, -0.00625],
      [1, -0.49584075808525085, 0.0018778803059831262, -0.1],
    ] as const;
    for (const [push, position, velocity, reward] of expected) {
      const step = stepCar(car, push);
      expect(step.reward).toBeCloseTo(reward, 7);
      expect(step.reached).toBe(false);
      expect(car.position).toBeCloseTo(position, 6);
      expect(car.velocity).toBeCloseTo(velocity, 7);
    }
  });

  it("stops at the left wall", () => {
    const car = { position: -1.19, velocity: -0.06 };
    stepCar(car, -1);
    expect(car).toEqual({ position: -1.2, velocity: 0 });
    stepCar(car, 1);
    expect(car.position).toBeCloseTo(-1.1962581872940063, 6);
    expect(car.velocity).toBeCloseTo(0.003741895779967308, 7);
  });

  it("ends with 100 at the goal", () => {
    const car = { position: 0.44, velocity: 0.05 };
    expect(stepCar(car, 1)).toEqual({ reward: 99.9, reached: true });
    expect(car.velocity).toBeCloseTo(0.05087956041097641, 7);
  });

  it("truncates after 999 steps and feeds the network features of about unit size", async () => {
    const environment = (await createEnvironmentFactory("mountain-car-continuous")).create("training");
    environment.reset(3);
    expect(environment.observation[0]).toBeGreaterThanOrEqual(-0.6);
    expect(environment.observation[0]).toBeLessThan(-0.4);
    const features = new Float32Array(2);
    environment.encoder.encode(Float32Array.of(0.6, -0.07), 0, features, 0);
    expect([...features]).toEqual([1, -1]);
    const action = Float32Array.of(0);
    for (let step = 1; step < 999; step++) expect(environment.step(action).truncated).toBe(false);
    expect(environment.step(action)).toMatchObject({ truncated: true, terminated: false });
  });
});

describe("every environment without data", () => {
  it.each(["pendulum", "mountain-car-continuous"])("%s repeats an episode from its seed", async (name) => {
    const factory = await createEnvironmentFactory(name);
    const [first, second] = [factory.create("training"), factory.create("validation")];
    first.reset(11);
    second.reset(5);
    second.reset(11);
    for (let step = 0; step < 20; step++) {
      const action = Float32Array.of(Math.sin(step));
      expect(first.step(action)).toEqual(second.step(action));
      expect(first.observation).toEqual(second.observation);
    }
  });

  it("names the environments there are when it is asked for another", async () => {
    await expect(createEnvironmentFactory("hopper")).rejects.toThrow(
      'There is no environment "hopper"; there are: pendulum, mountain-car-continuous, market',
    );
    await expect(createEnvironmentFactory("pendulum", { window: 3 })).rejects.toThrow("takes no options, got: window");
  });
});
