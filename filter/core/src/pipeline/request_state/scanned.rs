//! The parts of a request that determine its cost, and the estimate for a target.

use sluice_wire::dialect::{Client, Id, cache_marks};

use crate::compiled::spec::Reservation;
use crate::peek::BodyPeek;
use crate::peek::conversation::Conversation;
use crate::routing::target::Target;
use crate::usage::estimate::{Estimate, Prompt};
use crate::usage::surcharge::Surcharges;

/// The expected output tokens for cost and speed comparisons, if the request allows as many: most responses are shorter than allowed, and a
/// reservation is an upper bound.
const EXPECTED_ANSWER: u64 = 500;

/// A request of its own, or a line of a batch's file.
#[derive(Debug)]
pub struct ScannedRequest {
    /// The client's format.
    pub client: &'static Client,
    /// The scan of its body.
    pub peek: BodyPeek,
    /// The measured prompt.
    pub prompt: Prompt,
    /// Extra costs besides tokens.
    pub wishes: Surcharges,
    /// Its conversation, if the requested model's policy asks for it.
    pub conversation: Option<Conversation>,
}

impl ScannedRequest {
    /// The estimate for cost and speed comparisons, with a response of the expected length.
    pub fn expect(&self, target: &Target, reservation: &Reservation) -> Estimate {
        let expected = self.peek.amount.max_tokens.map_or(EXPECTED_ANSWER, |most| most.min(EXPECTED_ANSWER));
        self.estimate(target, reservation, expected)
    }

    /// The estimate for the first request of its conversation, from this one's.
    pub fn expect_opening(&self, target: &Target, estimate: Estimate) -> Estimate {
        let Some(conversation) = self.conversation else { return estimate };
        let bytes = u64::try_from(conversation.opening_length).unwrap_or(u64::MAX);
        let input = bytes.saturating_mul(100) / self.bytes_per_100_tokens(target).max(1);
        Estimate { input, images: 0, output: EXPECTED_ANSWER, ..estimate }
    }

    /// The estimate at `target`, with at most `ceiling` output tokens reserved.
    pub fn estimate(&self, target: &Target, reservation: &Reservation, ceiling: u64) -> Estimate {
        let seen = self.of_body(target, ceiling);
        let wishes = Surcharges { caches: self.may_write(target), ..self.wishes };
        Estimate { input: seen.input.saturating_add(self.elsewhere(target, reservation)), wishes, ..seen }
    }

    /// The estimate without referenced content.
    pub fn of_body(&self, target: &Target, ceiling: u64) -> Estimate {
        let max_output = target.price.and_then(|price| price.max_output);
        let has_output = self.client.asks.has_output() && !self.client.shape.free;
        let ceiling = if has_output { ceiling } else { 0 };
        let estimate = Estimate::of(&self.peek, &self.prompt, self.bytes_per_100_tokens(target), max_output, ceiling);
        Estimate { images: estimate.images.saturating_add(self.made()), ..estimate }
    }

    /// Input tokens of files and responses that the request refers to.
    pub fn elsewhere(&self, target: &Target, reservation: &Reservation) -> u64 {
        let unknown = self.prompt.elsewhere.saturating_mul(reservation.unknown_input);
        unknown.min(target.capabilities.max_input.unwrap_or(u64::MAX)).saturating_add(self.prompt.before)
    }

    /// The number of images to generate.
    pub fn made(&self) -> u64 {
        if self.client.shape.makes_images { self.peek.amount.n } else { 0 }
    }

    /// The ratio for token estimates at the target's provider.
    pub fn bytes_per_100_tokens(&self, target: &Target) -> u64 {
        target.provider.format_for(self.client, &target.model).unwrap_or(self.client.provider).bytes_per_100_tokens
    }

    /// Whether its prompt may be written to a cache: Anthropic and Bedrock write marked parts, others at their discretion.
    fn may_write(&self, target: &Target) -> bool {
        let format = target.provider.format_for(self.client, &target.model).unwrap_or(self.client.provider);
        let marks = || self.peek.caching.repeated.any() && cache_marks::apply_to(format.id, &target.model);
        self.wishes.caches || marks() || !matches!(format.id, Id::Anthropic | Id::Bedrock)
    }
}
