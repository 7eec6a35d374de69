// The views that are photographed and judged: a site with three people and two rooms, seen by ann.
import { person } from '../../api/lib/client.mjs';
import { Visitor } from './browser.mjs';

const SAID = [
  ['bob', 'Morning all. The 06:40 ferry is late again, fog in the channel.'],
  ['cem', 'Seen from the pier: she is at the outer buoy, twenty minutes at most.'],
  ['ann', 'Thanks. I hold the two vans then.'],
  ['bob', 'Can somebody take the ropes at berth 3? Marie is ill.'],
  ['cem', 'On my way.\nBring the second line, please, the first one is frayed.'],
];

// ann stands before the page; bob and cem are there already, bob with a browser.
export async function enter(server, context, other) {
  const ann = await person(server, 'ann');
  const cem = await person(server, 'cem');
  const bob = await person(server, 'bob');
  const visitor = await Visitor.to(server, context);
  await visitor.page.getByLabel('E-mail').waitFor();
  return { server, people: { ann, bob, cem }, ann: visitor, other };
}

export async function empty({ ann }) {
  await ann.login('ann');
  await ann.page.getByText('You are in no room yet').waitFor();
}

export async function talk(scene) {
  const { server, people, ann, other } = scene;
  const harbour = await people.bob.room('Harbour');
  const watch = await people.cem.room('Night watch, week 48', { isPrivate: true });
  await people.bob.post(`/rooms/${harbour.id}/members`, { userId: people.ann.id });
  await people.bob.post(`/rooms/${harbour.id}/members`, { userId: people.cem.id });
  await people.cem.post(`/rooms/${watch.id}/members`, { userId: people.ann.id });
  for (const [name, text] of SAID) {
    await people[name].send(harbour.id, text);
  }
  await people.cem.send(watch.id, 'All quiet, 21:00. Two lamps out on the north mole.');
  await people.cem.send(watch.id, 'Replaced one.');
  scene.bob = await Visitor.to(server, other);
  await scene.bob.login('bob');
  await scene.bob.openRoom('Harbour');
  await ann.openRoom('Harbour');
  await ann.sees('On my way');
  await ann.send('Bring the second line yourself, it is in the shed :)');
  await ann.seesState('Bring the second line yourself', 'Read');
  await scene.bob.field.pressSequentially('ok');
  await ann.page.locator('#typing', { hasText: 'bob is typing' }).waitFor();
}
