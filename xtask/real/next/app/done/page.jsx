export default async function Done({ searchParams }) {
  const { word } = await searchParams;
  return <p id="done">done {word}</p>;
}
