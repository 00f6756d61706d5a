// What a frontend does with its users, by the libraries that frontends use. Runs in Node and in a
// browser; each step leaves what happened under its name, and `test_sign_in.py` compares.

import { Amplify } from "aws-amplify";
import * as auth from "aws-amplify/auth";
import {
  AuthenticationDetails,
  CognitoUser,
  CognitoUserAttribute,
  CognitoUserPool,
} from "amazon-cognito-identity-js";

const PASSWORD = "first-password-1";
const NEXT_PASSWORD = "second-password-2";
const LAST_PASSWORD = "third-password-3";

/** Runs steps in order; a step that throws leaves the error's name. */
function recorder() {
  const seen = {};
  const step = async (name, run) => {
    try {
      seen[name] = (await run()) ?? "done";
    } catch (error) {
      seen[name] = error.code ?? error.name;
    }
  };
  return { seen, step };
}

async function balance(config, token) {
  const response = await fetch(`${config.apiUrl}/api/credits`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  return response.ok ? (await response.json()).balance : response.status;
}

export async function amplify(config) {
  Amplify.configure({
    Auth: {
      Cognito: {
        userPoolId: config.userPoolId,
        userPoolClientId: config.userPoolClientId,
        userPoolEndpoint: config.cognitoEndpoint,
      },
    },
  });
  const { seen, step } = recorder();
  const username = config.email;
  const options = { userAttributes: { email: username } };
  const signIn = async (name, password) => {
    const { nextStep } = await auth.signIn({ username: name, password });
    return nextStep.signInStep;
  };
  const token = async (forceRefresh = false) =>
    (await auth.fetchAuthSession({ forceRefresh })).tokens?.accessToken.toString();

  await step("weak password", () => auth.signUp({ username, password: "short", options }));
  await step("disposable address", () =>
    auth.signUp({ username: `a.${Date.now()}@mailinator.com`, password: PASSWORD }),
  );
  await step("sign up", async () => {
    const { nextStep } = await auth.signUp({ username, password: PASSWORD, options });
    return nextStep.signUpStep;
  });
  await step("sign up again", () =>
    auth.signUp({ username: username.toUpperCase(), password: PASSWORD }),
  );
  await step("unconfirmed", () => signIn(username, PASSWORD));
  await step("wrong code", () => auth.confirmSignUp({ username, confirmationCode: "000000" }));
  await step("code again", async () => {
    const { destination } = await auth.resendSignUpCode({ username });
    return destination.includes(username) ? "shows the address" : "masked";
  });
  await step("confirm", async () => {
    const { nextStep } = await auth.confirmSignUp({
      username,
      confirmationCode: config.confirmationCode,
    });
    return nextStep.signUpStep;
  });
  await step("wrong password", () => signIn(username, "wrong-password-1"));
  await step("unknown user", () => signIn(`nobody.${username}`, PASSWORD));
  await step("sign in", () => signIn(username.toUpperCase(), PASSWORD));
  await step("call", async () => balance(config, await token()));
  await step("verified", async () => (await auth.fetchUserAttributes()).email_verified);
  await step("refresh", async () => {
    const before = await token();
    const after = await token(true);
    return before !== after ? balance(config, after) : "the same token";
  });
  await step("change password", () =>
    auth.updatePassword({ oldPassword: PASSWORD, newPassword: NEXT_PASSWORD }),
  );
  await step("sign out everywhere", async () => {
    await auth.signOut({ global: true });
    return (await token()) ?? "signed out";
  });
  await step("forgot password", async () => {
    const { nextStep } = await auth.resetPassword({ username });
    return nextStep.resetPasswordStep;
  });
  await step("reset password", () =>
    auth.confirmResetPassword({
      username,
      confirmationCode: config.resetCode,
      newPassword: LAST_PASSWORD,
    }),
  );
  await step("old password", () => signIn(username, NEXT_PASSWORD));
  await step("new password", () => signIn(username, LAST_PASSWORD));
  await step("sign out", async () => {
    await auth.signOut();
    return (await token()) ?? "signed out";
  });
  return seen;
}

/** The library's callbacks as promises. */
function called(run) {
  return new Promise((resolve, reject) =>
    run((error, result) => (error ? reject(error) : resolve(result))),
  );
}

export async function identityJs(config) {
  const kept = new Map();
  const Storage = {
    setItem: (key, value) => kept.set(key, value),
    getItem: (key) => kept.get(key) ?? null,
    removeItem: (key) => kept.delete(key),
    clear: () => kept.clear(),
  };
  const Pool = new CognitoUserPool({
    UserPoolId: config.userPoolId,
    ClientId: config.userPoolClientId,
    endpoint: config.cognitoEndpoint,
    Storage,
  });
  const { seen, step } = recorder();
  const Username = config.email;
  const attributes = [new CognitoUserAttribute({ Name: "email", Value: Username })];
  const user = (name = Username) => new CognitoUser({ Username: name, Pool, Storage });
  const signIn = (name, Password) => {
    const signing = user(name);
    return new Promise((onSuccess, onFailure) =>
      signing.authenticateUser(new AuthenticationDetails({ Username: name, Password }), {
        onSuccess: (session) => onSuccess({ signing, session }),
        onFailure,
      }),
    );
  };
  const callbacks = (run) =>
    new Promise((onSuccess, onFailure) =>
      run({ onSuccess, onFailure, inputVerificationCode: onSuccess }),
    );

  let signedIn;
  await step("weak password", () =>
    called((done) => Pool.signUp(Username, "short", attributes, [], done)).then(() => "created"),
  );
  await step("sign up", () =>
    called((done) => Pool.signUp(Username, PASSWORD, attributes, [], done)).then(
      ({ userConfirmed }) => (userConfirmed ? "confirmed" : "unconfirmed"),
    ),
  );
  await step("sign up again", () =>
    called((done) => Pool.signUp(Username, PASSWORD, attributes, [], done)).then(() => "created"),
  );
  await step("unconfirmed", () => signIn(Username, PASSWORD).then(() => "signed in"));
  await step("wrong code", () =>
    called((done) => user().confirmRegistration("000000", true, done)),
  );
  await step("confirm", () =>
    called((done) => user().confirmRegistration(config.confirmationCode, true, done)),
  );
  await step("wrong password", () => signIn(Username, "wrong-password-1").then(() => "signed in"));
  await step("sign in", async () => {
    signedIn = await signIn(Username, PASSWORD);
    return signedIn.session.isValid() ? "signed in" : "no session";
  });
  await step("call", () => balance(config, signedIn.session.getAccessToken().getJwtToken()));
  await step("refresh", async () => {
    const before = signedIn.session.getAccessToken().getJwtToken();
    const session = await called((done) =>
      signedIn.signing.refreshSession(signedIn.session.getRefreshToken(), done),
    );
    const after = session.getAccessToken().getJwtToken();
    return before !== after ? balance(config, after) : "the same token";
  });
  await step("change password", () =>
    called((done) => signedIn.signing.changePassword(PASSWORD, NEXT_PASSWORD, done)),
  );
  await step("forgot password", () =>
    callbacks((on) => user().forgotPassword(on)).then(() => "sent"),
  );
  await step("reset password", () =>
    callbacks((on) => user().confirmPassword(config.resetCode, LAST_PASSWORD, on)),
  );
  await step("new password", () => signIn(Username, LAST_PASSWORD).then(() => "signed in"));
  await step("sign out everywhere", () =>
    callbacks((on) => signedIn.signing.globalSignOut(on)).then(() => "signed out"),
  );
  await step("refresh after it", () =>
    called((done) => user().refreshSession(signedIn.session.getRefreshToken(), done)).then(
      () => "refreshed",
    ),
  );
  return seen;
}
