'use server';

import { redirect } from 'next/navigation';

export async function finish(form) {
  redirect(`/done?word=${encodeURIComponent(form.get('word'))}`);
}
