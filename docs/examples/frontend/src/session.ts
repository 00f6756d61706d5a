import { Amplify } from "aws-amplify";
import { fetchAuthSession, signIn } from "aws-amplify/auth";

export const config = await (await fetch("/frontend.json")).json();
const { userPoolId, userPoolClientId, cognitoEndpoint: userPoolEndpoint } = config;
Amplify.configure({ Auth: { Cognito: { userPoolId, userPoolClientId, userPoolEndpoint } } });

export const enter = (username: string, password: string) => signIn({ username, password });

export async function accessToken(rejected?: string) {
  const { tokens } = await fetchAuthSession({ forceRefresh: rejected !== undefined });
  return tokens?.accessToken.toString();
}
