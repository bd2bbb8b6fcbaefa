import streamlit as st

st.stop()
