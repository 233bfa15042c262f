export default 'untouched';
